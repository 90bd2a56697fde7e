/* usbkbd: the host controller, and what drives devices by it. */
#ifndef USBKBD_H
#define USBKBD_H

#include "guest.h"

/* How a transfer ended. */
enum outcome { DONE, NAKED, STALLED, FAILED };

/* An endpoint, and how it is reached. */
struct pipe {
    u32 address, endpoint, packet;
    bool low, interrupt;
    u32 hub, port;  /* the hub that translates, and its port; 0: none does */
    u32 toggle;
};

/* Brings the controller up; `slave`: it moves no data itself. */
bool host_init(bool slave);
/* Resets the root port. False if nothing is there. */
bool host_reset_port(void);
u32 host_frame(void);
/* One transfer of an interrupt endpoint. `got` is what came. */
enum outcome host_poll(struct pipe *pipe, u8 *data, u32 length, u32 *got);
/* A control transfer. */
enum outcome host_control(struct pipe *pipe, u8 kind, u8 request, u16 value, u16 index, u8 *data, u32 length, u32 *got);
/* What the last transfer that failed left in HCINT. */
extern u32 host_last;
/* Split transactions that were not done yet when asked. */
extern u32 host_nyets;

#endif
