//! The settings that the documentation has, and what becomes of each. `docs/boot.md` has them as a table.

/// What becomes of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It does what it does on a board.
    Obeyed,
    /// It would change what a kernel finds, and does not here: the user is told.
    Reported,
    /// There is nothing here that it could change.
    Ignored,
    /// The documentation has none of the name.
    Unknown,
}

/// Those that are obeyed.
pub const OBEYED: [&str; 57] = [
    "arm_64bit",
    "arm_control",
    "arm_freq",
    "arm_freq_min",
    "armstub",
    "auto_initramfs",
    "cmdline",
    "core_freq",
    "core_freq_min",
    "device_tree",
    "device_tree_address",
    "device_tree_param",
    "disable_commandline_tags",
    "disable_overscan",
    "disable_splash",
    "dtparam",
    "enable_uart",
    "force_turbo",
    "framebuffer_depth",
    "framebuffer_height",
    "framebuffer_ignore_alpha",
    "framebuffer_width",
    "gpu_freq",
    "gpu_freq_min",
    "gpu_mem",
    "gpu_mem_1024",
    "gpu_mem_256",
    "gpu_mem_512",
    "h264_freq",
    "h264_freq_min",
    "hdmi_cvt",
    "hdmi_group",
    "hdmi_mode",
    "hdmi_safe",
    "hdmi_timings",
    "init_uart_clock",
    "isp_freq",
    "isp_freq_min",
    "kernel",
    "kernel_address",
    "kernel_old",
    "max_framebuffer_height",
    "max_framebuffer_width",
    "max_framebuffers",
    "os_prefix",
    "overscan_bottom",
    "overscan_left",
    "overscan_right",
    "overscan_top",
    "ramfsaddr",
    "ramfsfile",
    "sdram_freq",
    "sdram_freq_min",
    "total_mem",
    "upstream_kernel",
    "v3d_freq",
    "v3d_freq_min",
];

/// Those that are reported.
pub const REPORTED: [&str; 14] = [
    "device_tree_end",
    "device_tree_overlay",
    "display_hdmi_rotate",
    "display_lcd_rotate",
    "display_rotate",
    "dtoverlay",
    "enable_dpi_lcd",
    "enable_jtag_gpio",
    "framebuffer_swap",
    "gpio",
    "hdmi_edid_file",
    "hdmi_edid_filename",
    "hdmi_ignore_hotplug",
    "lcd_rotate",
];

/// Those that are ignored, by what they begin with: the analogue side, drivers, delays, hardware that is not there, other models.
pub const IGNORED: [&str; 62] = [
    "arm_boost",
    "arm_peri_high",
    "audio_pwm_mode",
    "avoid_",
    "boot_delay",
    "boot_delay_ms",
    "boot_load_flags",
    "bootcode_delay",
    "camera_auto_detect",
    "cec_osd_name",
    "cma_",
    "config_hdmi_boost",
    "decode_",
    "disable_audio_dither",
    "disable_camera_led",
    "disable_fw_kms_setup",
    "disable_l2cache",
    "disable_pcie",
    "disable_poe_fan",
    "disable_pvt",
    "disable_touchscreen",
    "dispmanx_offline",
    "display_auto_detect",
    "display_default_lcd",
    "dpi_",
    "dtdebug",
    "edid_content_type",
    "emmc_pll_core",
    "enable_audio_dither",
    "enable_gic",
    "enable_rp1_uart",
    "enable_tvout",
    "fixup_file",
    "force_eeprom_read",
    "framebuffer_priority",
    "gpu_mem_",
    "hdmi_",
    "hevc_freq",
    "ignore_lcd",
    "init_uart_baud",
    "initial_turbo",
    "isp_use_vpu0",
    "kernel_watchdog_",
    "lcd_framerate",
    "max_usb_current",
    "never_over_voltage",
    "otg_mode",
    "over_voltage",
    "overlay_prefix",
    "overscan_scale",
    "pciex4_reset",
    "program_",
    "sdtv_",
    "sha256",
    "start_",
    "temp_limit",
    "temp_soft_limit",
    "test_mode",
    "uart_2ndstage",
    "usb_max_current_enable",
    "watchdog_",
    "wifi_",
];

/// Overlays whose effect this board has without them: there is no Bluetooth that would take a serial port.
const IN_EFFECT: [&str; 3] = ["disable-bt", "disable-wifi", "pi3-disable-bt"];

/// What becomes of the setting `name` with `value`.
pub fn treatment(name: &str, value: &str) -> Treatment {
    let overlay = value.split(',').next().unwrap_or_default();
    match name {
        "dtoverlay" if overlay.is_empty() || IN_EFFECT.contains(&overlay) => Treatment::Ignored,
        _ if OBEYED.contains(&name) => Treatment::Obeyed,
        _ if REPORTED.contains(&name) => Treatment::Reported,
        _ if IGNORED.iter().any(|known| name == *known || known.ends_with('_') && name.starts_with(known)) => Treatment::Ignored,
        _ if name.starts_with("over_voltage_") => Treatment::Ignored,
        _ => Treatment::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_treatment() {
        for name in OBEYED {
            assert_eq!(treatment(name, "1"), Treatment::Obeyed, "{name}");
        }
        for name in REPORTED {
            assert_eq!(treatment(name, "1"), Treatment::Reported, "{name}");
        }
        for name in ["hdmi_drive", "over_voltage", "over_voltage_sdram_p", "sdtv_mode", "start_file", "start_x", "boot_delay"] {
            assert_eq!(treatment(name, "1"), Treatment::Ignored, "{name}");
        }
        for name in ["", "Kernel", "kernel ", "hdmi", "over_voltageable", "boot_delay_s"] {
            assert_eq!(treatment(name, "1"), Treatment::Unknown, "{name}");
        }
        assert_eq!(treatment("dtoverlay", "disable-bt"), Treatment::Ignored);
        assert_eq!(treatment("dtoverlay", "vc4-kms-v3d,cma-256"), Treatment::Reported);
    }

    #[test]
    fn the_documentation_has_all_of_them() {
        let page = include_str!("../../../docs/boot.md");
        let has =
            |name: &str| page.contains(&format!("`{name}`")) || page.contains(&format!("`{name}=")) || page.contains(&format!("`{name}*`"));
        let missing: Vec<&str> = OBEYED.into_iter().chain(REPORTED).chain(IGNORED).filter(|name| !has(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
