//! The BCM2837's peripherals, one module each, and the Raspberry Pi 3 Model B.

pub mod arm_interrupts;
pub mod bells;
pub mod core;
pub mod generic_timer;
pub mod irq;
pub mod local_controller;
