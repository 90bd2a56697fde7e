/*
 * tune: plays a melody on the left output of the audio jack and its bass on the right one, by the pulse width
 * modulator ("BCM2835 ARM Peripherals", chapter 9; clock: section 6.3).
 *
 * tune.by=dma (default): two buffers in turn, moved to the FIFO by DMA. fifo: a core fills the FIFO.
 * data: no FIFO, a core writes each sample to the channels' data registers, 8000 a second.
 * tune.beat_ms=N: length of a note, 250 unless told.
 */
#include "guest.h"

#define GPFSEL4 (PERIPHERALS + 0x200010)
#define PWM_CTL (PERIPHERALS + 0x20C000)
#define PWM_STA (PERIPHERALS + 0x20C004)
#define PWM_DMAC (PERIPHERALS + 0x20C008)
#define PWM_RNG1 (PERIPHERALS + 0x20C010)
#define PWM_DAT1 (PERIPHERALS + 0x20C014)
#define PWM_FIF1 (PERIPHERALS + 0x20C018)
#define PWM_RNG2 (PERIPHERALS + 0x20C020)
#define PWM_DAT2 (PERIPHERALS + 0x20C024)
#define PWM_FIF1_BUS 0x7E20C018u
#define CTL_ENABLED 0x0101u
#define CTL_FIFO 0x2020u
#define CTL_CLEAR 0x40u
#define STA_FULL 1u
#define STA_EMPTY 2u
#define DMAC_ENABLE 0x80000000u

#define CM_PWMCTL (PERIPHERALS + 0x1010A0)
#define CM_PWMDIV (PERIPHERALS + 0x1010A4)
#define CM_PASSWORD 0x5A000000u
#define CM_PLLD 6u
#define CM_ENABLE 0x10u
#define CM_BUSY 0x80u

/* DMA channel 5, section 4.2.1. */
#define DMA5_CS (PERIPHERALS + 0x7500)
#define DMA5_CONBLK_AD (PERIPHERALS + 0x7504)
#define DMA_ENABLE (PERIPHERALS + 0x7FF0)
#define CS_ACTIVE 1u
#define CS_RESET 0x80000000u
#define TI_WAIT_RESP (1u << 3)
#define TI_DEST_DREQ (1u << 6)
#define TI_SRC_INC (1u << 8)
#define TI_PWM (5u << 16)
#define BUS(address) ((u32)(u64)(address) | 0xC0000000u)

/* 500 MHz by 5. */
#define PWM_HZ 100000000u
#define RATE 44100u
#define SLOW_RATE 8000u
#define FRAMES 882u /* of a buffer: 20 ms */

struct control_block {
    u32 info, source, destination, length, stride, next, reserved[2];
};

static struct control_block blocks[2] SHARED_WITH_GPU;
static u32 buffers[2][2 * FRAMES] SHARED_WITH_GPU;
static int sine[256]; /* by 2^30 */

enum { G2, C3, C4, D4, E4, F4, G4 };
/* Hundredths of a hertz, equal temperament. */
static const u32 pitches[] = {9800, 13081, 26163, 29366, 32963, 34923, 39200};
struct note {
    u8 melody, bass;
};
static const struct note tune[] = {{E4, C3}, {E4, C3}, {F4, G2}, {G4, C3}, {G4, C3}, {F4, G2}, {E4, C3}, {D4, G2},
                                   {C4, C3}, {C4, C3}, {D4, G2}, {E4, C3}, {E4, C3}, {D4, G2}, {D4, G2}};
#define NOTES (sizeof(tune) / sizeof(tune[0]))

static u32 rate, range, frames_per_note, fade;
static u32 position; /* frames played */
static u32 phases[2];

static void make_sine(void)
{
    /* sin((n + 1) w) = 2 cos(w) sin(n w) - sin((n - 1) w), w = 2 pi / 256 */
    const int64_t twice_cosine = 2146836866;
    sine[1] = 26350943;
    for (u32 n = 2; n < 256; n++)
        sine[n] = (int)((twice_cosine * sine[n - 1]) >> 30) - sine[n - 2];
}

/* A channel's next sample: 0 to the range. */
static u32 sample(u32 channel, u32 pitch, u32 volume)
{
    phases[channel] += (u32)(((u64)pitch << 32) / (100ul * rate));
    int64_t wave = ((int64_t)sine[phases[channel] >> 24] * (int64_t)volume) >> 10;
    return (u32)((((1l << 30) + wave) * (int64_t)(range / 2)) >> 30);
}

/* The next frame: right in frame[0], the first channel's; left in frame[1]. False once the tune is over. */
static bool next_frame(u32 *frame)
{
    u32 note = position / frames_per_note, within = position % frames_per_note;
    if (note >= NOTES) {
        frame[0] = frame[1] = range / 2;
        return false;
    }
    u32 left = frames_per_note - within, near = within < left ? within : left;
    u32 volume = near < fade ? 700 * near / fade : 700;
    frame[0] = sample(0, pitches[tune[note].bass], volume);
    frame[1] = sample(1, pitches[tune[note].melody], volume);
    position++;
    return true;
}

static void modulator_init(u32 control)
{
    write32(GPFSEL4, (read32(GPFSEL4) & ~0x3Fu) | 0x24); /* pins 40 and 41: alternate function 0 */
    write32(PWM_CTL, 0);
    write32(CM_PWMCTL, CM_PASSWORD | CM_PLLD);
    while (read32(CM_PWMCTL) & CM_BUSY)
        ;
    write32(CM_PWMDIV, CM_PASSWORD | 5u << 12);
    write32(CM_PWMCTL, CM_PASSWORD | CM_PLLD | CM_ENABLE);
    write32(PWM_RNG1, range);
    write32(PWM_RNG2, range);
    write32(PWM_DMAC, control & CTL_FIFO ? DMAC_ENABLE | 0x0708 : 0);
    write32(PWM_CTL, control | CTL_CLEAR);
}

static bool fill(u32 number)
{
    bool more = true;
    for (u32 frame = 0; frame < FRAMES; frame++)
        more = next_frame(&buffers[number][2 * frame]);
    return more;
}

static void play_by_dma(void)
{
    bool more = true;
    for (u32 number = 0; number < 2; number++) {
        more = fill(number);
        blocks[number] = (struct control_block){
            .info = TI_PWM | TI_SRC_INC | TI_DEST_DREQ | TI_WAIT_RESP,
            .source = BUS(buffers[number]),
            .destination = PWM_FIF1_BUS,
            .length = sizeof(buffers[number]),
            .next = BUS(&blocks[1 - number]),
        };
    }
    dsb();
    write32(DMA_ENABLE, read32(DMA_ENABLE) | 1u << 5);
    write32(DMA5_CS, CS_RESET);
    write32(DMA5_CONBLK_AD, BUS(&blocks[0]));
    write32(DMA5_CS, CS_ACTIVE);
    for (u32 number = 0; more; number = 1 - number) {
        /* This buffer is free as soon as the controller is at the other one. */
        while (read32(DMA5_CONBLK_AD) == BUS(&blocks[number]))
            sleep_until_us(time_us() + 2000);
        more = fill(number);
        dsb();
    }
    /* The last words come to an end in the buffers' silence. */
    sleep_until_us(time_us() + 60000);
    write32(DMA5_CS, CS_RESET);
}

static void play_by_fifo(void)
{
    u32 frame[2];
    while (next_frame(frame))
        for (u32 channel = 0; channel < 2; channel++) {
            while (read32(PWM_STA) & STA_FULL)
                ;
            write32(PWM_FIF1, frame[channel]);
        }
    while (!(read32(PWM_STA) & STA_EMPTY))
        ;
}

static void play_by_data(void)
{
    u32 frame[2];
    u64 start = time_us();
    while (next_frame(frame)) {
        while (time_us() < start + (u64)position * 1000000 / SLOW_RATE)
            ;
        write32(PWM_DAT1, frame[0]);
        write32(PWM_DAT2, frame[1]);
    }
}

void guest_main(void)
{
    bool by_data = option_is("tune.by", "data"), by_fifo = option_is("tune.by", "fifo");
    rate = by_data ? SLOW_RATE : RATE;
    range = PWM_HZ / RATE;
    frames_per_note = (u32)option_number("tune.beat_ms", 250) * rate / 1000;
    if (frames_per_note == 0)
        frames_per_note = 1;
    fade = rate / 200;
    make_sine();
    print("tune: %u notes of %u samples at %u Hz, by %s\n", (u32)NOTES, frames_per_note, rate, by_data ? "data registers" : by_fifo ? "FIFO" : "DMA");
    modulator_init(by_data ? CTL_ENABLED : CTL_ENABLED | CTL_FIFO);
    u64 start = time_us();
    (by_data ? play_by_data : by_fifo ? play_by_fifo : play_by_dma)();
    print("tune: over after %lu ms\n", (time_us() - start) / 1000);
    write32(PWM_CTL, 0);
    power_off();
}
