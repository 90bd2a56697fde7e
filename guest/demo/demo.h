/* The demo's parts: a screen, a font, scenes, and the tour through them. */
#ifndef DEMO_H
#define DEMO_H

#include "guest.h"

/* ---- font.c ---- */

#define FONT_WIDTH 6
#define FONT_HEIGHT 8
void font_init(void);
/* Eight lines; bit 5 is the leftmost column. */
const u8 *font_glyph(char c);

/* ---- tables.c ---- */

/* 127 * sin(2 pi i / 256) */
extern signed char sine[256];
/* Colours of a scene by index, 0xRRGGBB. */
typedef u32 colour_map[256];
void tables_init(void);
/* Three waves, one a channel: (periods over the map, phase in 1/256 turns) each. */
struct waves {
    u8 red_periods, red_phase, green_periods, green_phase, blue_periods, blue_phase;
};
void map_waves(colour_map map, const struct waves *waves, u32 turn);
/* Black over the three channels, one after the other, to white; `turn` (0 to 767) says which comes first. */
void map_fire(colour_map map, u32 turn);

/* ---- screen.c ---- */

struct geometry {
    u16 width, height, virtual_width, virtual_height;
    u8 depth, order;
};

enum ink { INK_BLACK, INK_WHITE, INK_GREY, INK_CORE0, INKS = INK_CORE0 + CORES };

struct screen {
    struct geometry is;
    u32 pitch, size;
    u64 base;           /* of the buffer */
    u64 page;           /* where it is drawn: the page that is not shown */
    u32 shown;          /* the page that is */
    bool double_buffered;
    u32 pixel[256];     /* by the scene's index, as it lies in memory */
    u32 ink[INKS];
};
extern struct screen screen;

/* Asks for a mode. False, with the reason printed, if the reply is not what was asked for. */
bool screen_set(const struct geometry *geometry);
/* The scene's colours, and with 8 bits the palette, which goes out with the next flip. */
void screen_colours(const colour_map map);
/* Shows the page that was drawn, or with one page only the part of the buffer at (x, y). */
void screen_flip(u32 x, u32 y);
/* Draws line y from indices, in the page's whole width; a multiple of 8. */
void screen_line(u32 y, const u8 *indices);
void screen_fill(u32 x, u32 y, u32 width, u32 height, u32 pixel);
void screen_text(u32 x, u32 y, u32 scale, u32 pixel, const char *text);
/* Width and height of what is drawn in: the virtual size, with two pages half of it. */
u32 page_width(void);
u32 page_height(void);

/* ---- scenes*.c ---- */

#define LINE_MAX 1920

struct scene {
    const char *name;
    void (*start)(void);                                /* once, on core 0; may be NULL */
    void (*prepare)(u32 ms);                            /* each frame, on core 0; may be NULL */
    void (*line)(u32 core, u32 y, u8 *out, u32 width);  /* each line, on the core whose it is */
    void (*colours)(colour_map map, u32 ms);
    bool animated_colours, still;                       /* still: drawn once */
};
extern const struct scene plasma, julia, zoomer, fire, rings, mandelbrot, starfield, blobs;

/* RAM behind the program for what is too large for it; each scene has it for itself. */
#define SCENE_MEMORY ((u8 *)0x01000000ul)

/* A pseudo-random number from `state`. */
u32 random_next(u32 *state);

#endif
