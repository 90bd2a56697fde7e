/* Fixed pieces of work; each takes its size and returns a checksum that depends on all of it. */
#ifndef BENCH_H
#define BENCH_H

#include "guest.h"

/* RAM beyond the program, cached. */
#define ARENA ((u64 *)0x01000000ul)

u64 bench_fp(u64 n);

#endif
