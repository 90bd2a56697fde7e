/* Sines and colour maps. Uses floating point. */
#include "demo.h"

signed char sine[256];

void tables_init(void)
{
    /* Turn by 1/256 of a circle, again and again. */
    const double c = 0.99969881869620422, s = 0.024541228522912288;
    double x = 1, y = 0;

    for (u32 i = 0; i < 256; i++) {
        double scaled = y * 127;
        sine[i] = (signed char)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
        double turned = x * c - y * s;
        y = x * s + y * c;
        x = turned;
    }
}

static u32 wave(u32 i, u32 periods, u32 phase)
{
    return (u32)(128 + sine[(i * periods + phase) & 255]);
}

void map_waves(colour_map map, const struct waves *w, u32 turn)
{
    for (u32 i = 0; i < 256; i++)
        map[i] = wave(i, w->red_periods, w->red_phase + turn) << 16 |
                 wave(i, w->green_periods, w->green_phase + turn) << 8 |
                 wave(i, w->blue_periods, w->blue_phase + turn);
}

static u32 clamp(int value) { return value < 0 ? 0 : value > 255 ? 255 : (u32)value; }

void map_fire(colour_map map, u32 turn)
{
    for (u32 i = 0; i < 256; i++) {
        u32 heat[3] = {clamp((int)i * 4), clamp((int)i * 3 - 200), clamp((int)i * 3 - 500)};
        u32 first = turn / 256 % 3, blend = turn % 256, channel[3];

        for (u32 k = 0; k < 3; k++) {
            u32 now = heat[(k + first) % 3], next = heat[(k + first + 1) % 3];
            channel[k] = (now * (255 - blend) + next * blend) / 255;
        }
        map[i] = channel[0] << 16 | channel[1] << 8 | channel[2];
    }
}
