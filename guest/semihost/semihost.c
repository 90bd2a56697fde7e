/*
 * semihost: every call of semihosting, checked. `ok NAME` or `FAIL NAME: values` for each on the PL011, then
 * `semihost: all ok` or `semihost: N failed`; it ends by SYS_EXIT, with `semihost.exit` (default 0) or 1.
 *
 * Arm, "Semihosting for AArch32 and AArch64" 3.0. Options: semihost.exit=N, semihost.extended=1, semihost.files=0 (there
 * is no directory), semihost.read=1 ("typed\n!" comes from the console, and its end), semihost.wrong=1 (calls that are
 * refused), semihost.cores=1 (the other cores print too).
 */
#include "guest.h"

enum {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITEC = 0x03,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_READC = 0x07,
    SYS_ISERROR = 0x08,
    SYS_ISTTY = 0x09,
    SYS_SEEK = 0x0A,
    SYS_FLEN = 0x0C,
    SYS_TMPNAM = 0x0D,
    SYS_REMOVE = 0x0E,
    SYS_RENAME = 0x0F,
    SYS_CLOCK = 0x10,
    SYS_TIME = 0x11,
    SYS_SYSTEM = 0x12,
    SYS_ERRNO = 0x13,
    SYS_GET_CMDLINE = 0x15,
    SYS_HEAPINFO = 0x16,
    SYS_EXIT = 0x18,
    SYS_EXIT_EXTENDED = 0x20,
    SYS_ELAPSED = 0x30,
    SYS_TICKFREQ = 0x31,
};

#define APPLICATION_EXIT 0x20026ul
#define NOWHERE 0x5000000000ul
#define LARGE 100000u

static u32 failures;
static u8 large[LARGE], back[LARGE];

static u64 call(u32 operation, u64 parameter)
{
    register u64 w0 asm("x0") = operation;
    register u64 x1 asm("x1") = parameter;
    asm volatile("hlt #0xf000" : "+r"(w0) : "r"(x1) : "memory");
    return w0;
}

static u64 call4(u32 operation, u64 a, u64 b, u64 c, u64 d)
{
    u64 block[4] = {a, b, c, d};
    return call(operation, (u64)block);
}

static size_t length(const char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    return n;
}

static bool same(const void *a, const void *b, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (((const u8 *)a)[i] != ((const u8 *)b)[i])
            return false;
    return true;
}

static void expect(const char *name, u64 got, u64 wanted)
{
    if (got == wanted) {
        print("ok %s\n", name);
        return;
    }
    failures++;
    print("FAIL %s: %lx, not %lx\n", name, got, wanted);
}

static u64 open(const char *name, u64 mode) { return call4(SYS_OPEN, (u64)name, mode, length(name), 0); }
static u64 write(u64 handle, const void *data, u64 bytes) { return call4(SYS_WRITE, handle, (u64)data, bytes, 0); }
static u64 read(u64 handle, void *data, u64 bytes) { return call4(SYS_READ, handle, (u64)data, bytes, 0); }
static u64 on(u32 operation, u64 handle) { return call4(operation, handle, 0, 0, 0); }
static u64 seek(u64 handle, u64 to) { return call4(SYS_SEEK, handle, to, 0, 0); }

static void test_console(void)
{
    u64 out = open(":tt", 4), in = open(":tt", 0), error = open(":tt", 8);
    pl011.drain();
    expect("open :tt", out != ~0ul && in != ~0ul && error != ~0ul && out && in && error, 1);
    expect("open :tt, no such mode", open(":tt", 12), ~0ul);
    pl011.drain();
    call(SYS_WRITEC, (u64) "[");
    call(SYS_WRITE0, (u64) "console");
    expect("write", write(out, "]\n", 2), 0);
    expect("write nothing", write(out, "", 0), 0);
    expect("close :tt", on(SYS_CLOSE, out), 0);
    expect("write to what is closed", write(out, "x", 1), 1);
    if (option_number("semihost.read", 0)) {
        u64 left = read(in, back, 6);
        expect("read a line", left == 0 && same(back, "typed\n", 6), 1);
        expect("read a character", call(SYS_READC, 0), '!');
        expect("read at the end", read(in, back, 6), 6);
    }
    expect("seek :tt", seek(in, 1), ~0ul);
}

static void test_features(void)
{
    u64 handle = open(":semihosting-features", 0);
    expect("features: open", handle != ~0ul, 1);
    expect("features: length", on(SYS_FLEN, handle), 5);
    expect("features: read", read(handle, back, 5), 0);
    expect("features: magic", same(back, "SHFB", 4), 1);
    expect("features: extended exit, stdout and stderr", back[4] & 3, 3);
    expect("features: for reading only", open(":semihosting-features", 4), ~0ul);
}

static void test_files(void)
{
    u64 handle = open("calls.tmp", 6);
    expect("file: open", handle != ~0ul && handle, 1);
    for (u32 i = 0; i < LARGE; i++)
        large[i] = (u8)(i * 7 + i / 256);
    expect("file: write", write(handle, large, LARGE), 0);
    expect("file: length", on(SYS_FLEN, handle), LARGE);
    expect("file: seek", seek(handle, 3), 0);
    expect("file: read", read(handle, back, LARGE), 3);
    expect("file: the same", same(back, large + 3, LARGE - 3), 1);
    expect("file: read at the end", read(handle, back, 10), 10);
    expect("file: no terminal", on(SYS_ISTTY, handle), 0);
    expect("file: close", on(SYS_CLOSE, handle), 0);
    expect("file: close again", on(SYS_CLOSE, handle), ~0ul);

    handle = open("calls.tmp", 9);
    expect("file: append", write(handle, "end", 3), 0);
    on(SYS_CLOSE, handle);
    handle = open("calls.tmp", 0);
    expect("file: longer", on(SYS_FLEN, handle), LARGE + 3);
    on(SYS_CLOSE, handle);

    expect("file: rename", call4(SYS_RENAME, (u64) "calls.tmp", 9, (u64) "calls.new", 9), 0);
    expect("file: gone", open("calls.tmp", 0), ~0ul);
    expect("file: error number", call(SYS_ERRNO, 0), 2);
    expect("file: remove", call4(SYS_REMOVE, (u64) "calls.new", 9, 0, 0), 0);
    expect("file: remove again", call4(SYS_REMOVE, (u64) "calls.new", 9, 0, 0) == 0, 0);

    char name[40];
    expect("file: temporary name", call4(SYS_TMPNAM, (u64)name, 3, sizeof name, 0), 0);
    expect("file: it is a text", length(name) != 0 && length(name) < sizeof name, 1);
}

static void test_no_files(void)
{
    expect("no files: open", open("calls.tmp", 4), ~0ul);
    expect("no files: remove", call4(SYS_REMOVE, (u64) "calls.tmp", 9, 0, 0) == 0, 0);
}

static void test_rest(void)
{
    expect("an error", on(SYS_ISERROR, ~0ul) != 0, 1);
    expect("no error", on(SYS_ISERROR, 17), 0);
    u64 before = call(SYS_CLOCK, 0), ticks = 0, later = 0;
    expect("elapsed", call(SYS_ELAPSED, (u64)&ticks), 0);
    delay_us(30000);
    expect("elapsed later", call(SYS_ELAPSED, (u64)&later), 0);
    u64 frequency = call(SYS_TICKFREQ, 0);
    expect("clock", call(SYS_CLOCK, 0) - before >= 2, 1);
    expect("ticks", later - ticks >= frequency / 1000 * 29, 1);
    expect("time", call(SYS_TIME, 0) > 1500000000, 1);

    u64 line[2] = {(u64)back, 256};
    expect("command line", call(SYS_GET_CMDLINE, (u64)line), 0);
    expect("command line: its length", line[1], length((const char *)back));
    u64 small[2] = {(u64)back, 1};
    expect("command line: no room", call(SYS_GET_CMDLINE, (u64)small), ~0ul);

    u64 heap[4] = {1, 1, 1, 1}, block = (u64)heap;
    call(SYS_HEAPINFO, (u64)&block);
    expect("heap", heap[0] > 0x80000 && heap[0] < heap[1] && heap[1] <= 0x3F000000 && heap[2] == heap[1], 1);
}

/* What only our host is to bear: QEMU stops at an unknown call, and runs commands. */
static void test_wrong(void)
{
    expect("no command is run", call4(SYS_SYSTEM, (u64) "true", 4, 0, 0), ~0ul);
    expect("no such call", call(0x77, 0), ~0ul);
    expect("no block", call(SYS_OPEN, NOWHERE), ~0ul);
    expect("no memory to read to", call4(SYS_READ, open(":semihosting-features", 0), NOWHERE, 5, 0), 5);
    expect("a device is no memory", call4(SYS_READ, open(":semihosting-features", 0), UART0, 5, 0), 5);
    expect("a name without an end", call4(SYS_OPEN, (u64)large, 0, 1ul << 40, 0), ~0ul);
    call(SYS_WRITE0, NOWHERE);
    call(SYS_WRITEC, ~0ul);
}

static u32 arrived;

static void on_core(u32 core)
{
    static const char *const texts[] = {"", "1", "22", "333"};
    call(SYS_WRITE0, (u64)texts[core]);
    atomic_add(&arrived, 1);
    sev();
}

static void test_cores(void)
{
    for (u32 core = 1; core < CORES; core++) {
        core_start(core, on_core);
        while (load_acquire(&arrived) < core)
            wfe();
    }
    call(SYS_WRITE0, (u64) "\n");
    expect("calls of all cores", arrived, 3);
}

void guest_main(void)
{
    options_init();
    test_console();
    test_features();
    if (option_number("semihost.files", 1))
        test_files();
    else
        test_no_files();
    test_rest();
    if (option_number("semihost.wrong", 0))
        test_wrong();
    if (option_number("semihost.cores", 0))
        test_cores();
    if (failures)
        print("semihost: %u failed\n", failures);
    else
        print("semihost: all ok\n");
    pl011.drain();
    u64 end[2] = {APPLICATION_EXIT, failures ? 1 : option_number("semihost.exit", 0)};
    call(option_number("semihost.extended", 0) ? SYS_EXIT_EXTENDED : SYS_EXIT, (u64)end);
    print("FAIL: SYS_EXIT came back\n");
    power_off();
}
