/*
 * tree: reads what the firmware passes: the flattened device tree (or, without one, the ATAGs) at the address in
 * x0, and the files of a cpio archive that /chosen speaks of.
 *
 * Devicetree Specification 0.4, chapter 5; cpio's "newc" format.
 */
#include "guest.h"

#define FDT_MAGIC 0xD00DFEEDu
#define FDT_BEGIN_NODE 1u
#define FDT_END_NODE 2u
#define FDT_PROPERTY 3u
#define FDT_NOP 4u
#define FDT_END 9u

#define ATAG_NONE 0u
#define ATAG_CORE 0x54410001u
#define ATAG_MEM 0x54410002u
#define ATAG_INITRD2 0x54420005u
#define ATAG_CMDLINE 0x54410009u

static u64 archive, archive_end;

static u32 be32(const u8 *p) { return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3]; }

/* A number of one or two cells. */
static u64 cells(const u8 *value, u32 bytes) { return bytes == 8 ? (u64)be32(value) << 32 | be32(value + 4) : be32(value); }

static size_t text_length(const char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    return n;
}

static void property(u32 depth, bool chosen, bool memory, const char *name, const u8 *value, u32 bytes)
{
    if (depth == 1 && (text_equal(name, "model") || text_equal(name, "compatible")))
        print("%s: %s\n", name, (const char *)value);
    if (chosen && text_equal(name, "bootargs"))
        print("bootargs: %s\n", (const char *)value);
    if (chosen && text_equal(name, "linux,initrd-start"))
        archive = cells(value, bytes);
    if (chosen && text_equal(name, "linux,initrd-end"))
        archive_end = cells(value, bytes);
    if (memory && text_equal(name, "reg")) {
        print("memory:");
        for (u32 i = 0; i + 4 <= bytes; i += 4)
            print(" %x", be32(value + i));
        print("\n");
    }
}

static void read_tree(const u8 *tree)
{
    const u8 *at = tree + be32(tree + 8);
    const char *strings = (const char *)tree + be32(tree + 12);
    u32 depth = 0, nodes = 0, properties = 0;
    bool chosen = false, memory = false;

    print("tree: version %u, aligned %u\n", be32(tree + 20), ((u64)tree & 7) == 0);
    for (;;) {
        u32 token = be32(at);
        at += 4;
        if (token == FDT_BEGIN_NODE) {
            const char *name = (const char *)at;
            nodes++;
            depth++;
            chosen = depth == 2 && text_equal(name, "chosen");
            memory = depth == 2 && name[0] == 'm' && name[1] == 'e' && name[2] == 'm' && (name[6] == '@' || !name[6]);
            at += (text_length(name) + 4) & ~3ul;
        } else if (token == FDT_END_NODE) {
            depth--;
            chosen = memory = false;
        } else if (token == FDT_PROPERTY) {
            u32 bytes = be32(at);
            properties++;
            property(depth, chosen, memory, strings + be32(at + 4), at + 8, bytes);
            at += 8 + ((bytes + 3) & ~3u);
        } else if (token != FDT_NOP) {
            print("tree: %u nodes, %u properties, %s\n", nodes, properties, token == FDT_END ? "complete" : "broken");
            return;
        }
    }
}

static void read_atags(const u32 *tag)
{
    for (; tag[1] != ATAG_NONE; tag += tag[0]) {
        if (tag[1] == ATAG_CORE)
            print("atags: core, %u words\n", tag[0]);
        else if (tag[1] == ATAG_MEM)
            print("memory: %x %x\n", tag[3], tag[2]);
        else if (tag[1] == ATAG_CMDLINE)
            print("bootargs: %s\n", (const char *)(tag + 2));
        else if (tag[1] == ATAG_INITRD2) {
            archive = tag[2];
            archive_end = (u64)tag[2] + tag[3];
        } else
            print("atags: unknown tag %x\n", tag[1]);
    }
}

static u32 hex_field(const char *header, u32 field)
{
    u32 value = 0;
    for (u32 i = 0; i < 8; i++) {
        char c = header[6 + 8 * field + i];
        value = value << 4 | (u32)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return value;
}

/* Lists the archive: each member is a header of 110 characters, a name, the file; the latter two padded to words. */
static void list_archive(void)
{
    const char *at = (const char *)archive;

    print("archive: %lu bytes\n", archive_end - archive);
    while ((u64)at + 110 <= archive_end) {
        u32 size = hex_field(at, 6), name_size = hex_field(at, 11);
        const char *name = at + 110;
        const char *file = at + ((110 + name_size + 3) & ~3u);
        if (text_equal(name, "TRAILER!!!"))
            return;
        u32 sum = 0;
        for (u32 i = 0; i < size; i++)
            sum = sum * 31 + (u8)file[i];
        print("file: %s, mode %x, %u bytes, sum %08x\n", name, hex_field(at, 1), size, sum);
        at = file + ((size + 3) & ~3u);
    }
    print("archive: no end\n");
}

void tree_main(const u8 *passed)
{
    console->init();
    if (be32(passed) == FDT_MAGIC)
        read_tree(passed);
    else if (((const u32 *)passed)[1] == ATAG_CORE)
        read_atags((const u32 *)passed);
    else
        print("tree: nothing at 0x%lx\n", (u64)passed);
    if (archive)
        list_archive();
    print("tree: done\n");
    power_off();
}
