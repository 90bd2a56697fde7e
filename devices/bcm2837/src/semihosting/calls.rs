//! The operations (Semihosting 3.0, "Semihosting operations").
//!
//! What cannot be done gives what the operation has for it, mostly -1, and sets the error number; an address that is not the guest's memory is EFAULT.

use super::files::{Directory, Handle, errno, number};
use super::{Call, Guest, Served, Session};
use std::sync::Arc;

/// Operation numbers.
pub(super) mod operation {
    pub const OPEN: u32 = 0x01;
    pub const CLOSE: u32 = 0x02;
    pub const WRITEC: u32 = 0x03;
    pub const WRITE0: u32 = 0x04;
    pub const WRITE: u32 = 0x05;
    pub const READ: u32 = 0x06;
    pub const READC: u32 = 0x07;
    pub const ISERROR: u32 = 0x08;
    pub const ISTTY: u32 = 0x09;
    pub const SEEK: u32 = 0x0a;
    pub const FLEN: u32 = 0x0c;
    pub const TMPNAM: u32 = 0x0d;
    pub const REMOVE: u32 = 0x0e;
    pub const RENAME: u32 = 0x0f;
    pub const CLOCK: u32 = 0x10;
    pub const TIME: u32 = 0x11;
    pub const SYSTEM: u32 = 0x12;
    pub const ERRNO: u32 = 0x13;
    pub const GET_CMDLINE: u32 = 0x15;
    pub const HEAPINFO: u32 = 0x16;
    pub const EXIT: u32 = 0x18;
    pub const EXIT_EXTENDED: u32 = 0x20;
    pub const ELAPSED: u32 = 0x30;
    pub const TICKFREQ: u32 = 0x31;
}
use operation as op;

/// -1.
const FAILED: u64 = u64::MAX;
/// The reason of SYS_EXIT with which its subcode is the exit status: ADP_Stopped_ApplicationExit.
const APPLICATION_EXIT: u64 = 0x2_0026;
/// Bytes that one part of a call moves at most.
const PART: usize = 16 << 10;
/// Longest name of a file.
const LONGEST_NAME: u64 = 4096;
/// Nanoseconds in a centisecond.
const CENTISECOND: u64 = 10_000_000;
/// Ticks of SYS_ELAPSED in a second: they are nanoseconds.
const TICKS: u64 = 1_000_000_000;

/// A step of a call: `Err` is an error number.
type Step = Result<Served, u32>;

/// A done call's result.
fn done(value: u64) -> Step {
    Ok(Served::Done(value))
}

/// The field `index` of the parameter block.
fn field(call: &Call, guest: &mut dyn Guest, index: u64) -> Result<u64, u32> {
    guest.field(call.parameter.wrapping_add(8 * index)).ok_or(errno::FAULT)
}

/// The name of a file whose address and length are two fields of the block from `index` on.
fn file_name(call: &Call, guest: &mut dyn Guest, index: u64) -> Result<String, u32> {
    let (address, len) = (field(call, guest, index)?, field(call, guest, index + 1)?);
    String::from_utf8(name_at(guest, address, len)?).map_err(|_| errno::INVAL)
}

/// The `len` bytes of a name.
fn name_at(guest: &mut dyn Guest, address: u64, len: u64) -> Result<Vec<u8>, u32> {
    if len > LONGEST_NAME {
        return Err(errno::NAMETOOLONG);
    }
    let mut name = vec![0; len as usize];
    guest.read(address, &mut name).ok_or(errno::FAULT)?;
    Ok(name)
}

impl Session {
    /// Serves a part of a call.
    pub fn serve(&mut self, call: &mut Call, guest: &mut dyn Guest) -> Served {
        let served = self.step(call, guest).unwrap_or_else(|error| {
            self.errno = error;
            Served::Done(match call.operation {
                // Nothing (more) was moved.
                op::READ | op::WRITE => field(call, guest, 2).map_or(FAILED, |len| len.saturating_sub(call.done)),
                _ => FAILED,
            })
        });
        if let Served::Done(result) = served {
            let (operation, parameter) = (call.operation, call.parameter);
            tracing::debug!(target: "semihosting", "operation {operation:#04x}, X1 {parameter:#x}: {result:#x}, error {}", self.errno);
        }
        served
    }

    fn step(&mut self, call: &mut Call, guest: &mut dyn Guest) -> Step {
        match call.operation {
            op::OPEN => self.open(call, guest),
            op::CLOSE => {
                self.files.close(field(call, guest, 0)?)?;
                done(0)
            }
            op::WRITEC => {
                let mut byte = [0];
                guest.read(call.parameter, &mut byte).ok_or(errno::FAULT)?;
                Ok(if self.print(&byte) == 0 { Served::More } else { Served::Done(0) })
            }
            op::WRITE0 => self.write0(call, guest),
            op::WRITE => self.write(call, guest),
            op::READ => self.read(call, guest),
            op::READC => {
                let mut byte = [0];
                match self.typed(&mut byte) {
                    Some(0) => done(FAILED),
                    Some(_) => done(byte[0].into()),
                    None => Ok(Served::Input),
                }
            }
            op::ISERROR => done(u64::from((field(call, guest, 0)? as i64) < 0)),
            op::ISTTY => {
                let number = field(call, guest, 0)?;
                done(self.files.get(number)?.is_console().into())
            }
            op::SEEK => {
                let (number, to) = (field(call, guest, 0)?, field(call, guest, 1)?);
                self.files.get(number)?.seek(to)?;
                done(0)
            }
            op::FLEN => {
                let number = field(call, guest, 0)?;
                done(self.files.get(number)?.len()?)
            }
            op::TMPNAM => self.temporary_name(call, guest),
            op::REMOVE => {
                let name = file_name(call, guest, 0)?;
                self.directory()?.remove(&name).map_err(|error| number(&error))?;
                done(0)
            }
            op::RENAME => {
                let (from, to) = (file_name(call, guest, 0)?, file_name(call, guest, 2)?);
                self.directory()?.rename(&from, &to).map_err(|error| number(&error))?;
                done(0)
            }
            op::CLOCK => done(guest.now().0 / CENTISECOND),
            op::TIME => done(self.time_of_day(guest.now())),
            op::ERRNO => done(self.errno.into()),
            op::GET_CMDLINE => self.command_line(call, guest),
            op::HEAPINFO => self.heap_info(call, guest),
            op::EXIT | op::EXIT_EXTENDED => {
                let (reason, code) = (field(call, guest, 0)?, field(call, guest, 1)?);
                Ok(self.end(reason, code))
            }
            op::ELAPSED => {
                guest.set_field(call.parameter, guest.now().0).ok_or(errno::FAULT)?;
                done(0)
            }
            op::TICKFREQ => done(TICKS),
            op::SYSTEM => {
                tracing::warn!(target: "semihosting", "SYS_SYSTEM: no command of the host's is run for a guest");
                Err(errno::NOSYS)
            }
            unknown => {
                tracing::warn!(target: "semihosting", "there is no operation {unknown:#x}");
                Err(errno::NOSYS)
            }
        }
    }

    fn directory(&self) -> Result<Arc<Directory>, u32> {
        self.options.files.clone().ok_or(errno::ACCES)
    }

    /// SYS_OPEN: name, mode, length of the name.
    fn open(&mut self, call: &Call, guest: &mut dyn Guest) -> Step {
        let (address, mode, len) = (field(call, guest, 0)?, field(call, guest, 1)?, field(call, guest, 2)?);
        let name = name_at(guest, address, len)?;
        let opened = self.files.open(self.options.files.as_deref(), &name, mode);
        let shown = String::from_utf8_lossy(&name).into_owned();
        match opened {
            Ok(number) => tracing::debug!(target: "semihosting", "opened {shown:?}, mode {mode}: handle {number}"),
            Err(error) => tracing::info!(target: "semihosting", "{shown:?} cannot be opened in mode {mode}: error {error}"),
        }
        done(opened?)
    }

    /// Prints what there is room for, and says how much that is.
    fn print(&self, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.console.room());
        for &byte in &bytes[..len] {
            self.console.send(byte);
        }
        len
    }

    /// SYS_WRITE0: a text that ends with a zero.
    fn write0(&mut self, call: &mut Call, guest: &mut dyn Guest) -> Step {
        let most = self.console.room().min(PART);
        let mut text = Vec::with_capacity(most);
        let mut ended = false;
        while text.len() < most && !ended {
            // Up to the end of a page: the text need not go on behind its end.
            let at = call.parameter.wrapping_add(call.done + text.len() as u64);
            let mut part = vec![0; (4096 - at % 4096).min((most - text.len()) as u64) as usize];
            if guest.read(at, &mut part).is_none() {
                self.print(&text);
                return Err(errno::FAULT);
            }
            let end = part.iter().position(|&byte| byte == 0);
            ended = end.is_some();
            text.extend(&part[..end.unwrap_or(part.len())]);
        }
        self.print(&text);
        call.done += text.len() as u64;
        Ok(if ended { Served::Done(0) } else { Served::More })
    }

    /// SYS_WRITE: handle, data, length. Its result is how much was not written.
    fn write(&mut self, call: &mut Call, guest: &mut dyn Guest) -> Step {
        let (number, address, len) = (field(call, guest, 0)?, field(call, guest, 1)?, field(call, guest, 2)?);
        let handle = self.files.get(number)?;
        let left = len.saturating_sub(call.done);
        if left == 0 {
            return done(0);
        }
        let to_console = matches!(handle, Handle::Output);
        let most = if to_console { PART.min(self.console.room()) } else { PART };
        let mut data = vec![0; left.min(most as u64) as usize];
        guest.read(address.wrapping_add(call.done), &mut data).ok_or(errno::FAULT)?;
        let moved = if to_console {
            self.print(&data)
        } else {
            handle.write(&data)?;
            data.len()
        };
        call.done += moved as u64;
        Ok(if call.done == len { Served::Done(0) } else { Served::More })
    }

    /// SYS_READ: handle, buffer, length. Its result is how much was not read; all of it at the end of the file.
    fn read(&mut self, call: &mut Call, guest: &mut dyn Guest) -> Step {
        let (number, address, len) = (field(call, guest, 0)?, field(call, guest, 1)?, field(call, guest, 2)?);
        let left = len.saturating_sub(call.done);
        let mut part = [0; PART];
        let part = &mut part[..PART.min(usize::try_from(left).unwrap_or(PART))];
        let at = address.wrapping_add(call.done);
        let handle = self.files.get(number)?;
        if left == 0 {
            return done(0);
        }
        // What is taken from a file or the console must have somewhere to go.
        if !guest.can_write(at, part.len()) {
            return Err(errno::FAULT);
        }
        if let Handle::Input { text } = *handle {
            let Some(len) = self.typed(part) else { return Ok(Served::Input) };
            let bytes = &mut part[..len];
            if text {
                // A terminal's key.
                bytes.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b'\n');
            }
            guest.write(at, bytes).ok_or(errno::FAULT)?;
            return done(left - len as u64);
        }
        let len = handle.read(part)?;
        guest.write(at, &part[..len]).ok_or(errno::FAULT)?;
        call.done += len as u64;
        Ok(if len == 0 || len as u64 == left { Served::Done(left - len as u64) } else { Served::More })
    }

    /// Takes bytes that were typed, as many as fit: how many; 0 at the end of the input. `None`: none yet.
    fn typed(&self, out: &mut [u8]) -> Option<usize> {
        // Asked first: whoever says that it has ended has sent all.
        let ended = self.typed.input_ended();
        let mut len = 0;
        while len < out.len()
            && let Some(byte) = self.typed.receive()
        {
            out[len] = byte;
            len += 1;
        }
        (len != 0 || ended).then_some(len)
    }

    /// SYS_TMPNAM: buffer, number from 0 to 255, length of the buffer.
    fn temporary_name(&self, call: &Call, guest: &mut dyn Guest) -> Step {
        let (address, number, len) = (field(call, guest, 0)?, field(call, guest, 1)?, field(call, guest, 2)?);
        let number = u8::try_from(number).map_err(|_| errno::INVAL)?;
        // The same number gives the same name in a run. A file of an earlier run may be there: it is the guest's all the same.
        let name = format!("tmp{number:02x}.tmp\0");
        if len < name.len() as u64 {
            return Err(errno::RANGE);
        }
        guest.write(address, name.as_bytes()).ok_or(errno::FAULT)?;
        done(0)
    }

    /// SYS_GET_CMDLINE: buffer, its length; that becomes the text's, without its zero.
    fn command_line(&self, call: &Call, guest: &mut dyn Guest) -> Step {
        let (address, len) = (field(call, guest, 0)?, field(call, guest, 1)?);
        let text = &self.options.command_line;
        if len <= text.len() as u64 {
            return Err(errno::RANGE);
        }
        guest.write(address, text.as_bytes()).ok_or(errno::FAULT)?;
        guest.write(address.wrapping_add(text.len() as u64), &[0]).ok_or(errno::FAULT)?;
        guest.set_field(call.parameter.wrapping_add(8), text.len() as u64).ok_or(errno::FAULT)?;
        done(0)
    }

    /// SYS_HEAPINFO: the address of a block that gets heap base, heap limit, stack base, stack limit. Both share what there is.
    fn heap_info(&self, call: &Call, guest: &mut dyn Guest) -> Step {
        let block = field(call, guest, 0)?;
        let (base, limit) = (self.heap.base, self.heap.limit);
        for (at, value) in (0..).step_by(8).zip([base, limit, limit, base]) {
            guest.set_field(block.wrapping_add(at), value).ok_or(errno::FAULT)?;
        }
        done(0)
    }

    /// SYS_EXIT and SYS_EXIT_EXTENDED.
    fn end(&self, reason: u64, code: u64) -> Served {
        if reason == APPLICATION_EXIT {
            tracing::info!(target: "semihosting", "the guest exits with {code}");
            // Not 0 for what is not.
            return self.exit(match code as i32 {
                0 if code != 0 => 1,
                code => code,
            });
        }
        tracing::info!(target: "semihosting", "the guest exits for reason {reason:#x} with {code}");
        self.exit(1)
    }
}
