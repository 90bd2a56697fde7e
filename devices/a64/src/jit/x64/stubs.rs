//! Code that all regions share: the way in, the ways out, and the call of an interpreter's handler.

use super::{BIAS, MARGIN, asm, at};
use crate::core::{Core, FpState};
use crate::decode::Op;
use crate::jit::memory::CodeMemory;
use crate::jit::translator::{Frame, execute, execute_last};
use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler};
use std::mem::offset_of;

/// Instructions between two looks at the doorbell, about.
const CHUNK: i32 = 1024;

/// Offset of a field of the frame from RBP.
macro_rules! frame {
    ($field:ident) => {
        $crate::jit::x64::at!(frame) + ::std::mem::offset_of!(Frame, $field) as i32
    };
}
pub(super) use frame;

/// Addresses of the shared code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stubs {
    /// `extern "sysv64" fn(core, code, left) -> reason`.
    pub(crate) enter: usize,
    /// Leaves for the address in RAX, for the reason in ECX. Guest registers are in memory.
    pub(super) leave: usize,
    /// Called: executes the operation at RAX by its handler. EDX: offset in the page in the low half, instructions of the block from it on in the high half.
    /// Comes back if control goes on to the next instruction.
    pub(super) execute: usize,
    /// Jumped to: as `execute`, but never comes back.
    pub(super) execute_last: usize,
    /// Called: moves some of the budget's reserve to R15. The zero flag says that there was some, and that the doorbell is silent.
    pub(super) refill: usize,
}

/// Offset of FPSR from RBP.
pub(super) const FPSR: i32 = at!(fp) + offset_of!(FpState, fpsr) as i32;

/// Frame's flags to NZCV.
fn flags_to_guest(asm: &mut VecAssembler<X64Relocation>) {
    asm!(asm
        ; mov eax, [rbp + frame!(flags)]
        ; mov ecx, eax
        ; and ecx, 0xc000
        ; shl ecx, 16
        ; xor eax, 0x100
        ; mov edx, eax
        ; and edx, 0x100
        ; shl edx, 21
        ; or ecx, edx
        ; and eax, 1
        ; shl eax, 28
        ; or ecx, eax
        ; mov [rbp + at!(nzcv)], ecx
    );
}

/// NZCV to the frame's flags.
fn flags_from_guest(asm: &mut VecAssembler<X64Relocation>) {
    asm!(asm
        ; mov eax, [rbp + at!(nzcv)]
        ; mov ecx, eax
        ; shr ecx, 16
        ; and ecx, 0xc000
        ; mov edx, eax
        ; shr edx, 21
        ; and edx, 0x100
        ; xor edx, 0x100
        ; or ecx, edx
        ; shr eax, 28
        ; and eax, 1
        ; or ecx, eax
        ; mov [rbp + frame!(flags)], ecx
    );
}

/// Adds the exceptions that MXCSR has gathered to FPSR: invalid operation is bit 0 in both; division by zero, overflow, underflow and inexact are bits 5 to 2
/// here and 4 to 1 there. A denormal operand is nothing to the guest.
fn gather_exceptions(asm: &mut VecAssembler<X64Relocation>) {
    asm!(asm
        ; stmxcsr [rbp + frame!(mxcsr)]
        ; mov eax, [rbp + frame!(mxcsr)]
        ; test eax, 0x3d
        ; jz >none
        ; mov edx, eax
        ; shr edx, 1
        ; and edx, 0x1e
        ; and eax, 1
        ; or eax, edx
        ; or [rbp + FPSR], eax
        ; none:
    );
}

/// Accounts for the instructions up to the one that is executed: see [`Stubs::execute`]. Keeps RAX.
fn locate(asm: &mut VecAssembler<X64Relocation>) {
    asm!(asm
        ; movzx ecx, dx
        ; add rcx, [rbp + frame!(page)]
        ; mov [rbp + at!(pc)], rcx
        ; shr edx, 16
        ; mov rcx, [rbp + at!(run_limit)]
        ; sub rcx, r15
        ; sub rcx, [rbp + frame!(reserve)]
        ; lea rcx, [rcx - MARGIN]
        ; sub rcx, rdx
        ; mov [rbp + at!(run_retired)], rcx
        ; mov rsi, rax
    );
}

/// Executes the operation at RAX by its handler, with all of the guest's state in the core; EAX and the frame then say how to go on.
fn call_handler(asm: &mut VecAssembler<X64Relocation>, helper: unsafe extern "sysv64" fn(*mut Core, *const Op) -> u32) {
    locate(asm);
    flags_to_guest(asm);
    gather_exceptions(asm);
    let helper = helper as *const () as i64;
    asm!(asm
        ; lea rdi, [rbp - BIAS]
        ; mov rax, QWORD helper
        ; call rax
        ; mov [rbp + frame!(reason)], eax
    );
}

impl Stubs {
    /// Makes the shared code. `None` if there is no room.
    pub(crate) fn make(memory: &mut CodeMemory) -> Option<Self> {
        let base = memory.next() as usize;
        let mut asm = VecAssembler::<X64Relocation>::new(base);
        let asm = &mut asm;
        let (enter, leave, execute_at, last, raw) =
            (asm.new_dynamic_label(), asm.new_dynamic_label(), asm.new_dynamic_label(), asm.new_dynamic_label(), asm.new_dynamic_label());
        asm!(asm
            ; =>enter
            ; push rbx
            ; push rbp
            ; push r12
            ; push r13
            ; push r14
            ; push r15
            ; sub rsp, 8
            ; lea rbp, [rdi + BIAS]
            ; mov [rbp + frame!(stack)], rsp
            ; lea r15, [rdx - MARGIN]
            ; stmxcsr [rbp + frame!(host_mxcsr)]
            ; ldmxcsr [rbp + frame!(clean_mxcsr)]
        );
        flags_from_guest(asm);
        asm!(asm
            ; mov rax, [rbp + at!(pc)]
            ; jmp rsi
            ; .align 16
            ; =>leave
            ; mov [rbp + at!(pc)], rax
            ; mov rdx, [rbp + at!(run_limit)]
            ; sub rdx, r15
            ; sub rdx, [rbp + frame!(reserve)]
            ; lea rdx, [rdx - MARGIN]
            ; mov [rbp + at!(run_retired)], rdx
            ; mov [rbp + frame!(reason)], ecx
        );
        flags_to_guest(asm);
        gather_exceptions(asm);
        asm!(asm
            ; =>raw
            ; mov rsp, [rbp + frame!(stack)]
            ; ldmxcsr [rbp + frame!(host_mxcsr)]
            ; mov eax, [rbp + frame!(reason)]
            ; add rsp, 8
            ; pop r15
            ; pop r14
            ; pop r13
            ; pop r12
            ; pop rbp
            ; pop rbx
            ; ret
            ; .align 16
            ; =>execute_at
        );
        call_handler(asm, execute);
        asm!(asm
            ; test eax, eax
            ; jnz =>raw
            ; ldmxcsr [rbp + frame!(clean_mxcsr)]
        );
        flags_from_guest(asm);
        asm!(asm
            ; ret
            ; .align 16
            ; =>last
        );
        call_handler(asm, execute_last);
        asm!(asm
            ; jmp =>raw
        );
        let (refill, none) = (asm.new_dynamic_label(), asm.new_dynamic_label());
        asm!(asm
            ; .align 16
            ; =>refill
            ; mov rax, [rbp + frame!(doorbell)]
            ; cmp DWORD [rax], 0
            ; jne =>none
            ; mov rax, [rbp + frame!(reserve)]
            ; test rax, rax
            ; jz =>none
            ; mov ecx, CHUNK
            ; cmp rax, rcx
            ; cmovb rcx, rax
            ; sub rax, rcx
            ; mov [rbp + frame!(reserve)], rax
            ; add r15, rcx
            ; xor eax, eax
            ; ret
            ; =>none
            ; or eax, 1
            ; ret
        );
        asm.commit().ok()?;
        let offset = |label| asm.labels().resolve_dynamic(label).ok().map(|offset| offset.0);
        let offsets = [offset(enter)?, offset(leave)?, offset(execute_at)?, offset(last)?, offset(refill)?];
        let code = asm.take().ok()?;
        let base = memory.place(&code)?;
        let [enter, leave, execute, execute_last, refill] = offsets.map(|offset| base as usize + offset);
        Some(Self { enter, leave, execute, execute_last, refill })
    }
}
