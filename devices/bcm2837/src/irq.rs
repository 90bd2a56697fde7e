//! Interrupt numbers of the BCM2837 (BCM2835 ARM Peripherals 7.5), and how devices drive their lines.

use tayberry_engine::IrqLine;

/// First of the four system timer lines (GPU IRQ 0 to 3).
pub const SYSTEM_TIMER: usize = 0;
/// USB.
pub const USB: usize = 9;
/// First of the DMA lines: channels 0 to 10 have one each.
pub const DMA: usize = 16;
/// DMA channels 11 to 14 together.
pub const DMA_SHARED: usize = 27;
/// All DMA channels together.
pub const DMA_ALL: usize = 28;
/// AUX: mini UART, SPI1, SPI2.
pub const AUX: usize = 29;
/// MPHI ("host port").
pub const MPHI: usize = 32;
/// First of the four GPIO lines: banks 0 to 2, then all banks together.
pub const GPIO: usize = 49;
/// BSC0 to BSC2 (I2C).
pub const I2C: usize = 53;
/// SPI0.
pub const SPI: usize = 54;
/// PCM (I2S).
pub const PCM: usize = 55;
/// SDHOST.
pub const SDHOST: usize = 56;
/// PL011.
pub const UART0: usize = 57;
/// EMMC.
pub const EMMC: usize = 62;
/// First line of the ARM's own ("basic") interrupts: the eight after the 64 GPU interrupts. The ARM timer is its number 0.
pub const BASIC: usize = 64;
/// ARM timer.
pub const ARM_TIMER: usize = BASIC;
/// ARM mailbox.
pub const ARM_MAILBOX: usize = BASIC + 1;

/// Drives `line` to what `level` says.
///
/// # Orderings
/// Several cores may do so at once after each changed the state behind the level. Whoever drives looks at the state again afterwards (the read-modify-write
/// in [`IrqLine::set`] and the state's own accesses order the two), so whoever drives last has driven the last state.
pub fn drive(line: &IrqLine, level: impl Fn() -> bool) {
    loop {
        let now = level();
        if now != line.level() {
            line.set(now);
        }
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        if level() == now {
            return;
        }
    }
}
