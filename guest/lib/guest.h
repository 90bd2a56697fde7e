/*
 * What every guest program here stands on: registers, console, mailbox, time, cores, interrupts.
 *
 * Manual sections: "BCM2835 ARM Peripherals" for everything at 0x3F000000, "BCM2836 ARM-local
 * peripherals" (QA7) for the block at 0x40000000.
 */
#ifndef GUEST_H
#define GUEST_H

#ifdef __ASSEMBLER__
#define FRAME_SIZE 304
#else

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define _Static_assert static_assert
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define CORES 4u

/* ---- register access ---------------------------------------------------------------------- */

#define PERIPHERALS 0x3F000000ul
#define LOCAL 0x40000000ul

static inline void write32(u64 address, u32 value) { *(volatile u32 *)address = value; }
static inline u32 read32(u64 address) { return *(volatile u32 *)address; }

#define read_sysreg(name)                                                                         \
    ({                                                                                            \
        u64 value_;                                                                               \
        asm volatile("mrs %0, " #name : "=r"(value_)::"memory");                                  \
        value_;                                                                                   \
    })
#define write_sysreg(name, value) asm volatile("msr " #name ", %0" ::"r"((u64)(value)) : "memory")

static inline void dsb(void) { asm volatile("dsb sy" ::: "memory"); }
static inline void isb(void) { asm volatile("isb" ::: "memory"); }
static inline void dmb(void) { asm volatile("dmb ish" ::: "memory"); }
static inline void wfi(void) { asm volatile("wfi" ::: "memory"); }
static inline void wfe(void) { asm volatile("wfe" ::: "memory"); }
static inline void sev(void) { asm volatile("dsb ish\n\tsev" ::: "memory"); }
static inline u32 core_id(void) { return read_sysreg(mpidr_el1) & 3; }

/* ---- console: the PL011 (UART0) and the mini UART (UART1) --------------------------------- */

#define UART0 (PERIPHERALS + 0x201000)
#define UART0_DR (UART0 + 0x00)
#define UART0_FR (UART0 + 0x18)
#define UART0_IBRD (UART0 + 0x24)
#define UART0_FBRD (UART0 + 0x28)
#define UART0_LCRH (UART0 + 0x2C)
#define UART0_CR (UART0 + 0x30)
#define UART0_IFLS (UART0 + 0x34)
#define UART0_IMSC (UART0 + 0x38)
#define UART0_RIS (UART0 + 0x3C)
#define UART0_MIS (UART0 + 0x40)
#define UART0_ICR (UART0 + 0x44)

struct uart {
    void (*init)(void);
    void (*put)(u8 byte);  /* waits for room */
    int (*get)(void);      /* the next byte received, or -1 */
    void (*drain)(void);   /* waits until all is sent */
};
extern const struct uart pl011, mini_uart;

/* Where print() goes; pl011 unless a guest says otherwise. */
extern const struct uart *console;

/* printf with %d %u %x %s %c %%, `l` for 64 bits, a width and a leading 0. "\n" is sent as CR LF. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same into a buffer of `size` bytes, always terminated. Returns the length written. */
size_t format_text(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- the property channel (mailbox channel 8) ---------------------------------------------- */

#define TAG_FIRMWARE 0x00000001u
#define TAG_ARM_MEMORY 0x00010005u
#define TAG_SET_CLOCK_RATE 0x00038002u
#define TAG_ALLOCATE 0x00040001u
#define TAG_GET_PITCH 0x00040008u
#define TAG_SET_PHYSICAL_SIZE 0x00048003u
#define TAG_SET_VIRTUAL_SIZE 0x00048004u
#define TAG_SET_DEPTH 0x00048005u
#define TAG_SET_PIXEL_ORDER 0x00048006u
#define TAG_SET_ALPHA_MODE 0x00048007u
#define TAG_SET_VIRTUAL_OFFSET 0x00048009u
#define TAG_SET_PALETTE 0x0004800Bu
#define TAG_COMMAND_LINE 0x00050001u

#define ORDER_BGR 0u
#define ORDER_RGB 1u
#define ALPHA_IGNORED 2u
#define PROPERTY_DONE 0x80000000u

/* There is one message, so one core at a time may use these. */
void property_begin(void);
/* Appends a tag with a zeroed value buffer of `bytes`; fill it in, and read the answer from it. */
u32 *property_tag(u32 tag, u32 bytes);
/* The same with the first word of the value set, and the second where there is one. */
u32 *property_tag_with(u32 tag, u32 bytes, u32 first, u32 second);
/* Posts the message and waits for the reply. Returns the reply's code: PROPERTY_DONE if all is well. */
u32 property_post(void);
/* The two halves of it. */
void property_send(void);
u32 property_receive(void);
/* The tag's response word: bit 31 set once answered, below it the length of the answer. */
static inline u32 property_response(const u32 *value) { return value[-1]; }

/* A bus address of the VideoCore as the cores see it. */
static inline u64 bus_to_arm(u32 bus) { return bus & 0x3FFFFFFFu; }

/* ---- options from the kernel's command line ------------------------------------------------ */

void options_init(void);
/* The number behind `name=` (decimal or 0x hexadecimal), or `otherwise`. */
u64 option_number(const char *name, u64 otherwise);
/* Whether the command line has the word `name=value`. */
bool option_is(const char *name, const char *value);

/* ---- time and power ------------------------------------------------------------------------ */

#define SYSTIMER (PERIPHERALS + 0x3000)
#define SYSTIMER_CS (SYSTIMER + 0x00)
#define SYSTIMER_CLO (SYSTIMER + 0x04)
#define SYSTIMER_CHI (SYSTIMER + 0x08)
#define SYSTIMER_C(n) (SYSTIMER + 0x0C + 4 * (n))

/* Microseconds since power on, from the system timer. */
u64 time_us(void);
/* Sleeps in WFI, woken by the core's physical timer, until time_us() reaches `deadline`. */
void sleep_until_us(u64 deadline);
/* Busy wait. */
void delay_us(u64 us);
/* Halts the board as the firmware's users do: a watchdog reset into partition 63. */
void power_off(void) __attribute__((noreturn));

/* ---- cores ---------------------------------------------------------------------------------- */

/* Starts `core` (1 to 3) from the spin table: it runs `entry(core)` at EL1 with the MMU on, then sleeps. */
void core_start(u32 core, void (*entry)(u32 core));

/* A ticket lock; waiters sleep in WFE. */
struct lock {
    u32 next, serving;
};
void lock_acquire(struct lock *lock);
void lock_release(struct lock *lock);

/* A barrier for `count` cores, used over and over. */
struct barrier {
    u32 count, waiting, round;
};
void barrier_wait(struct barrier *barrier);

/* LDXR/STXR addition; returns the new value. */
u32 atomic_add(u32 *value, u32 amount);
static inline u32 load_acquire(const u32 *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline void store_release(u32 *p, u32 v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }

/* ---- exceptions and interrupts -------------------------------------------------------------- */

enum vector_kind { VECTOR_SYNC, VECTOR_IRQ, VECTOR_FIQ, VECTOR_SERROR };

/* What vectors.S saves, and restores on the way back. */
struct frame {
    u64 x[31];
    u64 elr, spsr, esr, far;
    u64 vector; /* the entry's number in the vector table, 0 to 15 */
    u64 reserved[2];
};
_Static_assert(sizeof(struct frame) == 304, "vectors.S knows the size");

/* Set by a guest that handles exceptions itself; without one, an exception is reported and fatal. */
extern void (*exception_handler)(struct frame *frame);

static inline void irq_enable(void) { asm volatile("msr daifclr, #2" ::: "memory"); }
static inline void irq_disable(void) { asm volatile("msr daifset, #2" ::: "memory"); }
static inline void fiq_enable(void) { asm volatile("msr daifclr, #1" ::: "memory"); }
static inline void fiq_disable(void) { asm volatile("msr daifset, #1" ::: "memory"); }

#define LOCAL_GPU_ROUTING (LOCAL + 0x0C)
#define LOCAL_TIMER_ROUTING (LOCAL + 0x24)
#define LOCAL_TIMER_CONTROL (LOCAL + 0x34)
#define LOCAL_TIMER_CLEAR (LOCAL + 0x38)
#define LOCAL_CORE_TIMERS(core) (LOCAL + 0x40 + 4 * (core))
#define LOCAL_CORE_MAILBOXES(core) (LOCAL + 0x50 + 4 * (core))
#define LOCAL_IRQ_SOURCE(core) (LOCAL + 0x60 + 4 * (core))
#define LOCAL_FIQ_SOURCE(core) (LOCAL + 0x70 + 4 * (core))
#define LOCAL_MAILBOX_SET(core, box) (LOCAL + 0x80 + 16 * (core) + 4 * (box))
#define LOCAL_MAILBOX_CLEAR(core, box) (LOCAL + 0xC0 + 16 * (core) + 4 * (box))

#define ARMCTRL (PERIPHERALS + 0xB200)
#define ARMCTRL_BASIC_PENDING (ARMCTRL + 0x00)
#define ARMCTRL_PENDING_1 (ARMCTRL + 0x04)
#define ARMCTRL_PENDING_2 (ARMCTRL + 0x08)
#define ARMCTRL_FIQ (ARMCTRL + 0x0C)
#define ARMCTRL_ENABLE_1 (ARMCTRL + 0x10)
#define ARMCTRL_ENABLE_2 (ARMCTRL + 0x14)
#define ARMCTRL_ENABLE_BASIC (ARMCTRL + 0x18)
#define ARMCTRL_DISABLE_1 (ARMCTRL + 0x1C)
#define ARMCTRL_DISABLE_2 (ARMCTRL + 0x20)
#define ARMCTRL_DISABLE_BASIC (ARMCTRL + 0x24)

/* ---- memory --------------------------------------------------------------------------------- */

enum memory_type { MEMORY_DEVICE = 0, MEMORY_CACHED = 1, MEMORY_UNCACHED = 2 };

/* RAM is cached, the VideoCore's share of it (and this section) not, peripherals are Device memory. */
#define SHARED_WITH_GPU __attribute__((section(".dma"), aligned(64)))

void mmu_init(void);
void mmu_enable(void);
/* Maps 2 MiB of `physical` at 0x80000000 + 2 MiB * slot; `user` opens it to EL0, read-only if code. */
void mmu_map_alias(u32 slot, u64 physical, enum memory_type type, bool user, bool code);
#define ALIAS(slot) (0x80000000ul + ((u64)(slot) << 21))

void *memset(void *to, int byte, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes);
bool text_equal(const char *a, const char *b);

/* The guest program itself. */
void guest_main(void);

#ifdef __cplusplus
}
#endif
#endif
#endif
