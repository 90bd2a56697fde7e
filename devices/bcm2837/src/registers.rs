//! Names of registers, for traces: those of the manuals.

/// A window's registers: offset and name.
type Names = &'static [(u32, &'static str)];

/// Windows by their name on the bus.
const WINDOWS: &[(&str, Names)] = &[
    (
        "mailbox",
        &[
            (0x00, "MAIL0_READ"),
            (0x10, "MAIL0_PEEK"),
            (0x14, "MAIL0_SENDER"),
            (0x18, "MAIL0_STATUS"),
            (0x1c, "MAIL0_CONFIG"),
            (0x20, "MAIL1_WRITE"),
            (0x30, "MAIL1_PEEK"),
            (0x34, "MAIL1_SENDER"),
            (0x38, "MAIL1_STATUS"),
            (0x3c, "MAIL1_CONFIG"),
        ],
    ),
    ("system timer", &[(0x00, "CS"), (0x04, "CLO"), (0x08, "CHI"), (0x0c, "C0"), (0x10, "C1"), (0x14, "C2"), (0x18, "C3")]),
    (
        "ARM interrupt controller",
        &[
            (0x00, "IRQ_BASIC_PENDING"),
            (0x04, "IRQ_PENDING_1"),
            (0x08, "IRQ_PENDING_2"),
            (0x0c, "FIQ_CONTROL"),
            (0x10, "ENABLE_IRQS_1"),
            (0x14, "ENABLE_IRQS_2"),
            (0x18, "ENABLE_BASIC_IRQS"),
            (0x1c, "DISABLE_IRQS_1"),
            (0x20, "DISABLE_IRQS_2"),
            (0x24, "DISABLE_BASIC_IRQS"),
        ],
    ),
    (
        "ARM timer",
        &[
            (0x00, "LOAD"),
            (0x04, "VALUE"),
            (0x08, "CONTROL"),
            (0x0c, "IRQ_CLEAR"),
            (0x10, "RAW_IRQ"),
            (0x14, "MASKED_IRQ"),
            (0x18, "RELOAD"),
            (0x1c, "PRE_DIVIDER"),
            (0x20, "FREE_RUNNING_COUNTER"),
        ],
    ),
    (
        "UART0",
        &[
            (0x00, "DR"),
            (0x04, "RSRECR"),
            (0x18, "FR"),
            (0x20, "ILPR"),
            (0x24, "IBRD"),
            (0x28, "FBRD"),
            (0x2c, "LCRH"),
            (0x30, "CR"),
            (0x34, "IFLS"),
            (0x38, "IMSC"),
            (0x3c, "RIS"),
            (0x40, "MIS"),
            (0x44, "ICR"),
            (0x48, "DMACR"),
            (0x80, "ITCR"),
            (0x84, "ITIP"),
            (0x88, "ITOP"),
            (0x8c, "TDR"),
        ],
    ),
    (
        "AUX",
        &[
            (0x00, "AUX_IRQ"),
            (0x04, "AUX_ENABLES"),
            (0x40, "AUX_MU_IO"),
            (0x44, "AUX_MU_IER"),
            (0x48, "AUX_MU_IIR"),
            (0x4c, "AUX_MU_LCR"),
            (0x50, "AUX_MU_MCR"),
            (0x54, "AUX_MU_LSR"),
            (0x58, "AUX_MU_MSR"),
            (0x5c, "AUX_MU_SCRATCH"),
            (0x60, "AUX_MU_CNTL"),
            (0x64, "AUX_MU_STAT"),
            (0x68, "AUX_MU_BAUD"),
            (0x80, "AUX_SPI1_CNTL0"),
            (0x84, "AUX_SPI1_CNTL1"),
            (0x88, "AUX_SPI1_STAT"),
            (0x8c, "AUX_SPI1_PEEK"),
            (0xa0, "AUX_SPI1_IO"),
            (0xb0, "AUX_SPI1_TXHOLD"),
            (0xc0, "AUX_SPI2_CNTL0"),
            (0xc4, "AUX_SPI2_CNTL1"),
            (0xc8, "AUX_SPI2_STAT"),
            (0xcc, "AUX_SPI2_PEEK"),
            (0xe0, "AUX_SPI2_IO"),
            (0xf0, "AUX_SPI2_TXHOLD"),
        ],
    ),
    (
        "GPIO",
        &[
            (0x00, "GPFSEL0"),
            (0x04, "GPFSEL1"),
            (0x08, "GPFSEL2"),
            (0x0c, "GPFSEL3"),
            (0x10, "GPFSEL4"),
            (0x14, "GPFSEL5"),
            (0x1c, "GPSET0"),
            (0x20, "GPSET1"),
            (0x28, "GPCLR0"),
            (0x2c, "GPCLR1"),
            (0x34, "GPLEV0"),
            (0x38, "GPLEV1"),
            (0x40, "GPEDS0"),
            (0x44, "GPEDS1"),
            (0x4c, "GPREN0"),
            (0x50, "GPREN1"),
            (0x58, "GPFEN0"),
            (0x5c, "GPFEN1"),
            (0x64, "GPHEN0"),
            (0x68, "GPHEN1"),
            (0x70, "GPLEN0"),
            (0x74, "GPLEN1"),
            (0x7c, "GPAREN0"),
            (0x80, "GPAREN1"),
            (0x88, "GPAFEN0"),
            (0x8c, "GPAFEN1"),
            (0x94, "GPPUD"),
            (0x98, "GPPUDCLK0"),
            (0x9c, "GPPUDCLK1"),
        ],
    ),
    (
        "EMMC",
        &[
            (0x00, "ARG2"),
            (0x04, "BLKSIZECNT"),
            (0x08, "ARG1"),
            (0x0c, "CMDTM"),
            (0x10, "RESP0"),
            (0x14, "RESP1"),
            (0x18, "RESP2"),
            (0x1c, "RESP3"),
            (0x20, "DATA"),
            (0x24, "STATUS"),
            (0x28, "CONTROL0"),
            (0x2c, "CONTROL1"),
            (0x30, "INTERRUPT"),
            (0x34, "IRPT_MASK"),
            (0x38, "IRPT_EN"),
            (0x3c, "CONTROL2"),
            (0x50, "FORCE_IRPT"),
            (0x70, "BOOT_TIMEOUT"),
            (0x74, "DBG_SEL"),
            (0x80, "EXRDFIFO_CFG"),
            (0x84, "EXRDFIFO_EN"),
            (0x88, "TUNE_STEP"),
            (0x8c, "TUNE_STEPS_STD"),
            (0x90, "TUNE_STEPS_DDR"),
            (0xf0, "SPI_INT_SPT"),
            (0xfc, "SLOTISR_VER"),
        ],
    ),
    (
        "SDHOST",
        &[
            (0x00, "SDCMD"),
            (0x04, "SDARG"),
            (0x08, "SDTOUT"),
            (0x0c, "SDCDIV"),
            (0x10, "SDRSP0"),
            (0x14, "SDRSP1"),
            (0x18, "SDRSP2"),
            (0x1c, "SDRSP3"),
            (0x20, "SDHSTS"),
            (0x30, "SDVDD"),
            (0x34, "SDEDM"),
            (0x38, "SDHCFG"),
            (0x3c, "SDHBCT"),
            (0x40, "SDDATA"),
            (0x50, "SDHBLC"),
        ],
    ),
    ("SPI0", &[(0x00, "CS"), (0x04, "FIFO"), (0x08, "CLK"), (0x0c, "DLEN"), (0x10, "LTOH"), (0x14, "DC")]),
    (
        "PCM",
        &[
            (0x00, "CS_A"),
            (0x04, "FIFO_A"),
            (0x08, "MODE_A"),
            (0x0c, "RXC_A"),
            (0x10, "TXC_A"),
            (0x14, "DREQ_A"),
            (0x18, "INTEN_A"),
            (0x1c, "INTSTC_A"),
            (0x20, "GRAY"),
        ],
    ),
    (
        "PWM",
        &[(0x00, "CTL"), (0x04, "STA"), (0x08, "DMAC"), (0x10, "RNG1"), (0x14, "DAT1"), (0x18, "FIF1"), (0x20, "RNG2"), (0x24, "DAT2")],
    ),
    ("RNG", &[(0x00, "CTRL"), (0x04, "STATUS"), (0x08, "DATA"), (0x0c, "FF_THRESHOLD"), (0x10, "INT_MASK")]),
    ("power management", &[(0x1c, "PM_RSTC"), (0x20, "PM_RSTS"), (0x24, "PM_WDOG")]),
    (
        "clock manager",
        &[
            (0x98, "CM_PCMCTL"),
            (0x9c, "CM_PCMDIV"),
            (0xa0, "CM_PWMCTL"),
            (0xa4, "CM_PWMDIV"),
            (0x70, "CM_GP0CTL"),
            (0x74, "CM_GP0DIV"),
            (0x78, "CM_GP1CTL"),
            (0x7c, "CM_GP1DIV"),
            (0x80, "CM_GP2CTL"),
            (0x84, "CM_GP2DIV"),
            (0x114, "CM_LOCK"),
        ],
    ),
    (
        "USB",
        &[
            (0x000, "GOTGCTL"),
            (0x004, "GOTGINT"),
            (0x008, "GAHBCFG"),
            (0x00c, "GUSBCFG"),
            (0x010, "GRSTCTL"),
            (0x014, "GINTSTS"),
            (0x018, "GINTMSK"),
            (0x01c, "GRXSTSR"),
            (0x020, "GRXSTSP"),
            (0x024, "GRXFSIZ"),
            (0x028, "GNPTXFSIZ"),
            (0x02c, "GNPTXSTS"),
            (0x03c, "GUID"),
            (0x040, "GSNPSID"),
            (0x044, "GHWCFG1"),
            (0x048, "GHWCFG2"),
            (0x04c, "GHWCFG3"),
            (0x050, "GHWCFG4"),
            (0x100, "HPTXFSIZ"),
            (0x400, "HCFG"),
            (0x404, "HFIR"),
            (0x408, "HFNUM"),
            (0x410, "HPTXSTS"),
            (0x414, "HAINT"),
            (0x418, "HAINTMSK"),
            (0x440, "HPRT"),
            (0x800, "DCFG"),
            (0xe00, "PCGCTL"),
        ],
    ),
];

/// Registers of an I2C controller.
const I2C: Names = &[(0x00, "C"), (0x04, "S"), (0x08, "DLEN"), (0x0c, "A"), (0x10, "FIFO"), (0x14, "DIV"), (0x18, "DEL"), (0x1c, "CLKT")];
/// Registers of a DMA channel, and of all channels.
const DMA: [&str; 9] = ["CS", "CONBLK_AD", "TI", "SOURCE_AD", "DEST_AD", "TXFR_LEN", "STRIDE", "NEXTCONBK", "DEBUG"];
const DMA_ALL: Names = &[(0xfe0, "INT_STATUS"), (0xff0, "ENABLE")];
/// Registers of a host channel of the USB controller.
const USB_CHANNEL: [&str; 6] = ["HCCHAR", "HCSPLT", "HCINT", "HCINTMSK", "HCTSIZ", "HCDMA"];
/// The local controller's.
const LOCAL: Names = &[
    (0x00, "CONTROL"),
    (0x08, "CORE_TIMER_PRESCALER"),
    (0x0c, "GPU_INTERRUPTS_ROUTING"),
    (0x10, "PMU_ROUTING_SET"),
    (0x14, "PMU_ROUTING_CLEAR"),
    (0x1c, "CORE_TIMER_LS"),
    (0x20, "CORE_TIMER_MS"),
    (0x24, "LOCAL_INTERRUPT_ROUTING"),
    (0x2c, "AXI_OUTSTANDING_COUNTERS"),
    (0x30, "AXI_OUTSTANDING_INTERRUPTS"),
    (0x34, "LOCAL_TIMER_CONTROL"),
    (0x38, "LOCAL_TIMER_WRITE_FLAGS"),
];

fn of(names: Names, offset: u32) -> Option<String> {
    names.iter().find(|(at, _)| *at == offset).map(|(_, name)| (*name).to_owned())
}

/// The name of the register at `offset` of a window of the bus.
pub fn name(window: &str, offset: u32) -> Option<String> {
    let nth = |names: &[&'static str], at: u32| names.get((at / 4) as usize).copied();
    match window {
        "DMA" => of(DMA_ALL, offset).or_else(|| Some(format!("{} {}", offset >> 8, nth(&DMA, offset & 0xff)?))),
        "DMA channel 15" => nth(&DMA, offset).map(str::to_owned),
        "USB" if (0x500..0x700).contains(&offset) => Some(format!("{}{}", nth(&USB_CHANNEL, offset & 0x1f)?, (offset - 0x500) >> 5)),
        "local controller" => of(LOCAL, offset).or_else(|| local(offset)),
        _ if window.starts_with("BSC") || window.starts_with("I2C") => of(I2C, offset),
        _ => WINDOWS.iter().find(|(name, _)| *name == window).and_then(|(_, names)| of(names, offset)),
    }
}

/// The local controller's registers of each core.
fn local(offset: u32) -> Option<String> {
    let (core, mailbox) = (offset >> 2 & 3, offset >> 2 & 3);
    Some(match offset {
        0x40..0x50 => format!("CORE{core}_TIMERS_INTERRUPT_CONTROL"),
        0x50..0x60 => format!("CORE{core}_MAILBOXES_INTERRUPT_CONTROL"),
        0x60..0x70 => format!("CORE{core}_IRQ_SOURCE"),
        0x70..0x80 => format!("CORE{core}_FIQ_SOURCE"),
        0x80..0xc0 => format!("CORE{}_MAILBOX{mailbox}_SET", (offset - 0x80) >> 4),
        0xc0..0x100 => format!("CORE{}_MAILBOX{mailbox}_CLEAR", (offset - 0xc0) >> 4),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_have_the_manuals_names() {
        for (window, offset, expected) in [
            ("mailbox", 0x20, "MAIL1_WRITE"),
            ("DMA", 0x504, "5 CONBLK_AD"),
            ("DMA", 0xff0, "ENABLE"),
            ("DMA channel 15", 0, "CS"),
            ("USB", 0x528, "HCINT1"),
            ("local controller", 0x48, "CORE2_TIMERS_INTERRUPT_CONTROL"),
            ("local controller", 0x9c, "CORE1_MAILBOX3_SET"),
            ("GPIO", 0x94, "GPPUD"),
        ] {
            assert_eq!(name(window, offset).as_deref(), Some(expected), "{window} {offset:#x}");
        }
        assert_eq!((name("mailbox", 0x24), name("nothing", 0)), (None, None));
    }
}
