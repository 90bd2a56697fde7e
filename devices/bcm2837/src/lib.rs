//! The BCM2837's peripherals, one module each, and the Raspberry Pi 3 Model B.

pub mod arm_interrupts;
pub mod arm_timer;
pub mod armstub;
pub mod asb;
pub mod atags;
pub mod bells;
pub mod board;
pub mod boot;
pub mod core;
pub mod cprman;
pub mod device_tree;
pub mod dma;
pub mod dwc2;
pub mod emmc;
pub mod framebuffer;
pub mod generic_timer;
pub mod gpio;
pub mod image;
pub mod irq;
pub mod local_controller;
pub mod mailbox;
pub mod mini_uart;
pub mod mphi;
pub mod pl011;
pub mod power_management;
pub mod property;
pub mod rng;
pub mod sd;
pub mod sdhost;
pub mod system_timer;
pub mod thermal;

pub use board::{BoardError, BoardOptions, Raspi3b};
pub use tayberry_a64::Features;
