/* The modes of the storm: pure functions of the seed and the number of the change. src/storm.rs mirrors them. */
#ifndef STORM_MODES_H
#define STORM_MODES_H

#include "guest.h"

enum change { CHANGE_ALL, CHANGE_OFFSET, CHANGE_ORDER, CHANGE_PALETTE };

struct mode {
    u32 width, height, virtual_width, virtual_height, offset_x, offset_y;
    u32 depth, order;
    u32 colour;        /* 0xRRGGBB as the screen shows it, after the depth has cut it */
    u32 palette_index; /* with depth 8: the one index that is painted and set */
    enum change change;
};

/* Turns the mode of n - 1 into that of n, n counted from 1. `mixed`: about a quarter of them change less than all. */
void mode_advance(struct mode *mode, u64 seed, u64 n, bool mixed);

/* The colour as a pixel in memory, in the low bits. */
u32 mode_pixel(const struct mode *mode);

#endif
