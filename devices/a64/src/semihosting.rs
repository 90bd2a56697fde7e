//! Guest memory for a host that serves a call of the guest (semihosting), between runs of the core.
//!
//! Addresses are translated by the tables as they are, with the rights of the current exception level; only RAM is reached: no device is touched on a call's
//! account, and no exception is taken.

use crate::bus::{Bus, Maintenance};
use crate::core::Core;
use crate::mmu::Kind;

/// Bytes in a page.
const PAGE: u64 = 4096;

impl Core {
    /// Copies guest memory at `va` out. `None` if any of it cannot be read: `out` holds what came before it then.
    pub fn semihosting_read(&self, va: u64, out: &mut [u8]) -> Option<()> {
        let mut done = 0;
        while done < out.len() {
            let (pa, len) = self.ram_at(va.wrapping_add(done as u64), out.len() - done, Kind::Read)?;
            self.config.ram.copy_out(pa, &mut out[done..done + len])?;
            done += len;
        }
        Some(())
    }

    /// Copies `data` to guest memory at `va`. `None` if any of it cannot be written: what came before is written then.
    pub fn semihosting_write(&mut self, bus: &mut dyn Bus, va: u64, data: &[u8]) -> Option<()> {
        let (epoch, mut done) = (self.config.ram.code().epoch(), 0);
        let mut written = Some(());
        while done < data.len() {
            let Some((pa, len)) = self.ram_at(va.wrapping_add(done as u64), data.len() - done, Kind::Write) else {
                written = None;
                break;
            };
            self.config.ram.copy_in(pa, &data[done..done + len])?;
            done += len;
        }
        // This core looks when it runs again; the others may be running.
        if self.config.ram.code().epoch() != epoch {
            bus.broadcast(Maintenance::Code);
        }
        written
    }

    /// True if `len` bytes at `va` can be written.
    pub fn semihosting_can_write(&self, va: u64, len: usize) -> bool {
        let mut done = 0;
        while done < len {
            let Some((_, part)) = self.ram_at(va.wrapping_add(done as u64), len - done, Kind::Write) else { return false };
            done += part;
        }
        true
    }

    /// Reads the field of eight bytes at `va` in the order of bytes of the guest's data.
    pub fn semihosting_field(&self, va: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.semihosting_read(va, &mut bytes)?;
        Some(if self.big_endian() { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    /// Writes the field of eight bytes at `va`.
    pub fn semihosting_set_field(&mut self, bus: &mut dyn Bus, va: u64, value: u64) -> Option<()> {
        let bytes = if self.big_endian() { value.to_be_bytes() } else { value.to_le_bytes() };
        self.semihosting_write(bus, va, &bytes)
    }

    /// Where in RAM the byte at `va` is, and how many of `most` lie behind it in its page.
    fn ram_at(&self, va: u64, most: usize, kind: Kind) -> Option<(u64, usize)> {
        let at = self.translate(va, kind, self.el).ok()?;
        let len = most.min((PAGE - va % PAGE) as usize);
        self.is_ram(at.pa, len as u64).then_some((at.pa, len))
    }
}

#[cfg(test)]
mod tests {
    use crate::core::Stop;
    use crate::testing::{Guest, RAM_TOP, START};

    /// hlt #0xf000 ; b .
    const CALL: [u32; 2] = [0xd45e_0000, 0x1400_0000];

    #[test]
    fn a_call_stops_the_core_behind_it_where_the_machine_takes_calls() {
        for el in 0..=3 {
            let mut guest = Guest::new(&CALL);
            guest.bus.semihosting = true;
            guest.core.switch_sp(el, false);
            guest.core.context_changed();
            let run = guest.run(100);
            assert_eq!((run.retired, run.stop, guest.core.pc), (1, Stop::Semihosting, START + 4), "EL{el}");
        }
        // Any other HLT, and any HLT where it does not, is undefined without a debugger.
        for (insn, semihosting) in [(CALL[0], false), (0xd45e_0020, true), (0xd440_0000, true)] {
            let mut guest = Guest::new(&[insn, CALL[1]]);
            guest.bus.semihosting = semihosting;
            guest.core.sys[crate::sysreg::Reg::VBAR_EL3] = START + 0x800;
            guest.run(1);
            assert_eq!((guest.core.pc, guest.core.sys[crate::sysreg::Reg::ESR_EL3] >> 26), (START + 0x800 + 0x200, 0), "{insn:#x}");
        }
    }

    #[test]
    fn memory_is_ram_that_is_there() {
        let mut guest = Guest::new(&CALL);
        let Guest { core, bus, .. } = &mut guest;
        let text = b"across the end of a page";
        let at = START + 0xff8;
        core.semihosting_write(bus, at, text).expect("RAM");
        let mut back = [0; 24];
        core.semihosting_read(at, &mut back).expect("RAM");
        assert_eq!(&back, text);
        core.semihosting_set_field(bus, START + 0x101, 0x0102_0304_0506_0708).expect("RAM, aligned or not");
        assert_eq!(core.semihosting_field(START + 0x101), Some(0x0102_0304_0506_0708));
        for nowhere in [RAM_TOP, RAM_TOP - 1, u64::MAX, u64::MAX - 4, 1 << 47] {
            assert_eq!(core.semihosting_read(nowhere, &mut back), None, "{nowhere:#x}");
            assert_eq!(core.semihosting_write(bus, nowhere, text), None, "{nowhere:#x}");
            assert_eq!(core.semihosting_field(nowhere), None, "{nowhere:#x}");
        }
        assert!(bus.reads.is_empty() && bus.writes.is_empty(), "no device was touched");
    }

    #[test]
    fn code_that_is_written_so_is_decoded_anew_here_and_elsewhere() {
        let mut guest = Guest::new(&[0xd280_0020, 0x17ff_ffff]);
        guest.run(4);
        let Guest { core, bus, .. } = &mut guest;
        core.semihosting_write(bus, START, &0xd280_0040u32.to_le_bytes()).expect("RAM");
        assert!(bus.broadcasts.contains(&crate::Maintenance::Code));
        guest.run(2);
        assert_eq!(guest.core.x[0], 2);
    }
}
