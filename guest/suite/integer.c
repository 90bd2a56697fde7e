/* Pointers, sorting, hashing, SHA-256. */
#include "suite.h"

/* ---- chase, far: n dependent loads ---------------------------------------------------------- */

/* Links `places` places, `stride` apart, to one ring; a full-period congruential generator is one. */
static void *ring(u64 places, u64 stride)
{
    for (u64 i = 0; i < places; i++)
        *(void **)(ARENA + i * stride) = (void *)(ARENA + ((i * 1664525 + 1013904223) & (places - 1)) * stride);
    return (void *)ARENA;
}

static u64 walk(void *at, u64 n)
{
    u64 sum = 0;

    for (u64 i = 0; i < n; i++) {
        at = *(void *volatile *)at;
        sum += (u64)at;
    }
    return fold(sum, (u64)at);
}

/* 16 KiB: the first cache holds it all. */
u64 run_chase(u64 n) { return walk(ring(2048, 8), n); }

/* 32 MiB, a cache line a step and rarely the same page twice. */
u64 run_far(u64 n) { return walk(ring(1 << 19, 64), n); }

/* ---- sort: n times 65,536 numbers, by quicksort --------------------------------------------- */

#define SORTED 65536u
#define FEW 12

static void quicksort(u32 *low, u32 *high)
{
    while (high - low > FEW) {
        u32 a = *low, b = low[(high - low) / 2], c = *high;
        u32 pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
        u32 *i = low, *j = high;
        while (i <= j) {
            while (*i < pivot)
                i++;
            while (*j > pivot)
                j--;
            if (i <= j) {
                u32 swap = *i;
                *i++ = *j;
                *j-- = swap;
            }
        }
        /* The longer part stays here, so that the stack stays low. */
        if (j - low < high - i) {
            quicksort(low, j);
            low = i;
        } else {
            quicksort(i, high);
            high = j;
        }
    }
    for (u32 *i = low + 1; i <= high; i++) {
        u32 value = *i, *j = i;
        for (; j > low && j[-1] > value; j--)
            *j = j[-1];
        *j = value;
    }
}

u64 run_sort(u64 n)
{
    u32 *numbers = (u32 *)ARENA;
    u64 state = 88172645463325252, sum = 0;

    for (u64 turn = 0; turn < n; turn++) {
        for (u32 i = 0; i < SORTED; i++)
            numbers[i] = (u32)next_random(&state);
        quicksort(numbers, numbers + SORTED - 1);
        u32 ordered = 0;
        for (u32 i = 1; i < SORTED; i++)
            ordered += numbers[i - 1] <= numbers[i];
        sum = fold(sum + ordered, numbers[turn & (SORTED - 1)]);
    }
    return sum;
}

/* ---- hash: n operations on a table of words with open addressing ---------------------------- */

#define SLOTS 65536u

struct slot {
    u8 key[12]; /* a number in letters, ended by 0; empty: the slot is free */
    u32 count;
};

static u32 key_of(u8 *key, u64 number)
{
    u32 hash = 2166136261u, length = 0;

    for (; length < 11 && (number || !length); number >>= 4, length++) {
        key[length] = (u8)('a' + (number & 15));
        hash = (hash ^ key[length]) * 16777619u;
    }
    key[length] = 0;
    return hash ^ hash >> 15;
}

static bool same(const u8 *a, const u8 *b)
{
    for (; *a == *b; a++, b++)
        if (!*a)
            return true;
    return false;
}

u64 run_hash(u64 n)
{
    struct slot *table = (struct slot *)ARENA;
    u64 state = 0x2545F4914F6CDD1D, sum = 0;

    memset(table, 0, SLOTS * sizeof *table);
    for (u64 i = 0; i < n; i++) {
        u64 random = next_random(&state);
        u8 key[12];
        u32 at = key_of(key, (random >> 20) % 40009);
        u32 probes = 1;
        for (;; at++, probes++) {
            struct slot *slot = &table[at & (SLOTS - 1)];
            if (slot->key[0] && !same(slot->key, key))
                continue;
            if (!slot->key[0])
                for (u32 k = 0; k < sizeof key; k++) {
                    slot->key[k] = key[k];
                    if (!key[k])
                        break;
                }
            slot->count++;
            sum += slot->count * probes;
            break;
        }
    }
    return fold(sum, n);
}

/* ---- sha256: n times 64 KiB (FIPS 180-4) ---------------------------------------------------- */

static const u32 round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static u32 turned(u32 x, u32 by) { return x >> by | x << (32 - by); }

static void sha256_block(u32 hash[8], const u32 *block)
{
    u32 w[64];

    for (u32 i = 0; i < 16; i++)
        w[i] = __builtin_bswap32(block[i]);
    for (u32 i = 16; i < 64; i++) {
        u32 s0 = turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ w[i - 15] >> 3;
        u32 s1 = turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    u32 a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4], f = hash[5], g = hash[6], h = hash[7];
    for (u32 i = 0; i < 64; i++) {
        u32 t1 = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + round_constants[i] + w[i];
        u32 t2 = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d, hash[4] += e, hash[5] += f, hash[6] += g, hash[7] += h;
}

/* The first half of SHA-256 of n times 64 KiB of the bytes 0 to 255, over and over. */
u64 run_sha256(u64 n)
{
    u32 hash[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    u8 *bytes = (u8 *)ARENA;
    u32 last[16] = {0x80};
    u64 bits = n << 19;

    for (u32 i = 0; i < 65536; i++)
        bytes[i] = (u8)i;
    for (u64 turn = 0; turn < n; turn++)
        for (u32 at = 0; at < 65536; at += 64)
            sha256_block(hash, (const u32 *)(bytes + at));
    last[14] = __builtin_bswap32((u32)(bits >> 32));
    last[15] = __builtin_bswap32((u32)bits);
    sha256_block(hash, last);
    return (u64)hash[0] << 32 | hash[1];
}
