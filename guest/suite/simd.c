/* Advanced SIMD and floating point: vectors of floats, of bytes, and wide copies. */

/* The MMU is on, and pixels to the left and right are not aligned: without this they are loaded byte by byte. */
#pragma GCC target("no-strict-align")
#include "suite.h"
#include <arm_neon.h>

/* ---- matrix: n products of 128 by 128 floats ------------------------------------------------ */

#define SIDE 128u

/* Four by four elements of the product. */
static void tile(const float *a, const float *b, float *c)
{
    float32x4_t sums[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};

    for (u32 k = 0; k < SIDE; k += 4) {
        float32x4_t b0 = vld1q_f32(b + k * SIDE), b1 = vld1q_f32(b + (k + 1) * SIDE);
        float32x4_t b2 = vld1q_f32(b + (k + 2) * SIDE), b3 = vld1q_f32(b + (k + 3) * SIDE);
#pragma GCC unroll 4
        for (u32 i = 0; i < 4; i++) {
            float32x4_t row = vld1q_f32(a + i * SIDE + k);
            sums[i] = vfmaq_laneq_f32(sums[i], b0, row, 0);
            sums[i] = vfmaq_laneq_f32(sums[i], b1, row, 1);
            sums[i] = vfmaq_laneq_f32(sums[i], b2, row, 2);
            sums[i] = vfmaq_laneq_f32(sums[i], b3, row, 3);
        }
    }
    for (u32 i = 0; i < 4; i++)
        vst1q_f32(c + i * SIDE, sums[i]);
}

u64 run_matrix(u64 n)
{
    float *a = (float *)ARENA, *b = a + SIDE * SIDE, *c = b + SIDE * SIDE;
    u64 sum = 0;

    for (u32 i = 0; i < SIDE * SIDE; i++) {
        a[i] = (float)(i * 37 % 101) * 0.01f - 0.5f;
        b[i] = (float)(i * 53 % 97) * 0.01f - 0.48f;
    }
    for (u64 turn = 0; turn < n; turn++) {
        for (u32 row = 0; row < SIDE; row += 4)
            for (u32 column = 0; column < SIDE; column += 4)
                tile(a + row * SIDE, b + column, c + row * SIDE + column);
        /* The next product's left side: what came out, back in range. */
        float32x4_t scale = vdupq_n_f32(0.125f), half = vdupq_n_f32(0.5f);
        for (u32 i = 0; i < SIDE * SIDE; i += 4) {
            float32x4_t v = vmulq_f32(vld1q_f32(c + i), scale);
            vst1q_f32(a + i, vminq_f32(vmaxq_f32(vaddq_f32(v, vld1q_f32(a + i)), vnegq_f32(half)), half));
        }
    }
    for (u32 i = 0; i < SIDE * SIDE; i++)
        sum = fold(sum, ((const u32 *)c)[i]);
    return sum;
}

/* ---- filter: n times a picture of 640 by 480 grey pixels is blurred and sharpened; unaligned -- */

#define WIDTH 640u
#define HEIGHT 480u

/* A column's sums with the weights 1, 2, 1, of eight pixels from `at`. */
static inline uint16x8_t column(const u8 *at)
{
    uint16x8_t ends = vaddl_u8(vld1_u8(at - WIDTH), vld1_u8(at + WIDTH));

    return vaddq_u16(ends, vshll_n_u8(vld1_u8(at), 1));
}

/* Sixteen pixels: twice the pixel less the blurred one, and a threshold that counts. */
static inline uint8x16_t sharpen(const u8 *at, uint16x8_t *bright)
{
    uint8x8_t blurred[2];

#pragma GCC unroll 2
    for (u32 half = 0; half < 2; half++) {
        const u8 *p = at + 8 * half;
        uint16x8_t sum = vaddq_u16(column(p - 1), column(p + 1));
        sum = vmlaq_u16(sum, column(p), vdupq_n_u16(2));
        blurred[half] = vrshrn_n_u16(sum, 4);
    }
    uint8x16_t pixel = vld1q_u8(at), blur = vcombine_u8(blurred[0], blurred[1]);
    uint8x16_t over = vqsubq_u8(pixel, blur), under = vqsubq_u8(blur, pixel);
    uint8x16_t mask = vcgtq_u8(pixel, vdupq_n_u8(128));
    *bright = vpadalq_u8(*bright, vandq_u8(mask, vdupq_n_u8(1)));
    return vqsubq_u8(vqaddq_u8(pixel, over), vbslq_u8(mask, under, vshrq_n_u8(under, 1)));
}

u64 run_filter(u64 n)
{
    u8 *from = (u8 *)ARENA, *to = from + WIDTH * HEIGHT;
    u64 sum = 0;

    for (u32 i = 0; i < WIDTH * HEIGHT; i++)
        to[i] = from[i] = (u8)(i * 7 ^ i / WIDTH * 5 ^ (i >> 3 & 0x60));
    for (u64 turn = 0; turn < n; turn++) {
        u32 count = 0;
        for (u32 y = 1; y < HEIGHT - 1; y++) {
            uint16x8_t bright = vdupq_n_u16(0);
            for (u32 x = 16; x < WIDTH - 16; x += 16) {
                u32 at = y * WIDTH + x;
                vst1q_u8(to + at, sharpen(from + at, &bright));
            }
            count += vaddlvq_u16(bright);
        }
        sum = fold(sum, count);
        u8 *swap = from;
        from = to;
        to = swap;
    }
    for (u32 i = 0; i < WIDTH * HEIGHT; i += 4)
        sum = fold(sum, *(const u32 *)(from + i));
    return sum;
}

/* ---- qcopy: n times 256 KiB by pairs of vector registers ------------------------------------ */

#define COPIED (256u << 10)

static void copy(void *to, const void *from, u64 bytes)
{
    for (; bytes; bytes -= 64)
        asm volatile("ldp q0, q1, [%1]\n\tldp q2, q3, [%1, #32]\n\t"
                     "stp q0, q1, [%0]\n\tstp q2, q3, [%0, #32]\n\t"
                     "add %1, %1, #64\n\tadd %0, %0, #64"
                     : "+r"(to), "+r"(from)::"v0", "v1", "v2", "v3", "memory");
}

u64 run_qcopy(u64 n)
{
    u8 *a = (u8 *)ARENA, *b = a + (1 << 20);
    u64 sum = 0;

    for (u32 i = 0; i < COPIED / 8; i++)
        ((u64 *)a)[i] = i * 0x9E3779B97F4A7C15;
    for (u64 turn = 0; turn < n; turn++) {
        /* There, and back sixteen bytes further on. */
        copy(b, a, COPIED);
        copy(a + 16, b, COPIED - 64);
        *(u64 *)a += turn;
    }
    for (u32 i = 0; i < COPIED / 8; i += 16)
        sum = fold(sum, ((u64 *)a)[i]);
    return sum;
}
