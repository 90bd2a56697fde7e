//! The BCM2837's peripherals, one module each, and the Raspberry Pi 3 Model B.

pub mod arm_interrupts;
pub mod arm_timer;
pub mod armstub;
pub mod atags;
pub mod aux_spi;
pub mod bells;
pub mod board;
pub mod boot;
pub mod bsc_slave;
pub mod core;
pub mod cprman;
pub mod device_tree;
pub mod dma;
pub mod framebuffer;
pub mod generic_timer;
pub mod gpio;
pub mod i2c;
pub mod image;
pub mod irq;
pub mod local_controller;
pub mod mailbox;
pub mod mini_uart;
pub mod pcm;
pub mod pl011;
pub mod power_management;
pub mod property;
pub mod pwm;
pub mod rng;
pub mod spi;
pub mod system_timer;
pub mod thermal;
mod turn;

pub use board::{BoardError, BoardOptions, Raspi3b};
pub use tayberry_a64::Features;
