// LLVM's AArch64 disassembler, as far as it is asked here: is a word an instruction, and which. Called from llvm.rs.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Triple.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCDisassembler/MCDisassembler.h"
#include "llvm/MC/MCInst.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/MCTargetOptions.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/raw_ostream.h"

extern "C" {
void LLVMInitializeAArch64TargetInfo();
void LLVMInitializeAArch64TargetMC();
void LLVMInitializeAArch64Disassembler();
}

namespace {

struct Disassembler {
    llvm::MCTargetOptions options;
    std::unique_ptr<llvm::MCRegisterInfo> registers;
    std::unique_ptr<llvm::MCAsmInfo> assembly;
    std::unique_ptr<llvm::MCInstrInfo> instructions;
    std::unique_ptr<llvm::MCSubtargetInfo> subtarget;
    std::unique_ptr<llvm::MCContext> context;
    std::unique_ptr<llvm::MCDisassembler> decoder;
};

}  // namespace

extern "C" {

// To be called once, before all else.
void tayberry_llvm_init() {
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64Disassembler();
}

// A disassembler of these features (LLVM's -mattr), or null.
void *tayberry_llvm_open(const char *features) {
    const llvm::Triple triple("aarch64-unknown-none-elf");
    std::string error;
    const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple.str(), error);
    if (target == nullptr) {
        return nullptr;
    }
    auto made = std::make_unique<Disassembler>();
    made->registers.reset(target->createMCRegInfo(triple.str()));
    made->assembly.reset(target->createMCAsmInfo(*made->registers, triple.str(), made->options));
    made->instructions.reset(target->createMCInstrInfo());
    made->subtarget.reset(target->createMCSubtargetInfo(triple.str(), "", features));
    made->context = std::make_unique<llvm::MCContext>(triple, made->assembly.get(), made->registers.get(), made->subtarget.get());
    made->decoder.reset(target->createMCDisassembler(*made->subtarget, *made->context));
    return made->decoder ? made.release() : nullptr;
}

void tayberry_llvm_close(void *handle) {
    delete static_cast<Disassembler *>(handle);
}

// The opcode of a word, or zero if it is none.
uint32_t tayberry_llvm_decode(void *handle, uint32_t word) {
    const auto *made = static_cast<Disassembler *>(handle);
    const uint8_t bytes[4] = {uint8_t(word), uint8_t(word >> 8), uint8_t(word >> 16), uint8_t(word >> 24)};
    llvm::MCInst instruction;
    uint64_t size = 0;
    const auto status = made->decoder->getInstruction(instruction, size, bytes, 0, llvm::nulls());
    return status == llvm::MCDisassembler::Fail ? 0 : instruction.getOpcode();
}

// LLVM's name of an opcode: `length` characters, not terminated.
const char *tayberry_llvm_name(void *handle, uint32_t opcode, size_t *length) {
    const auto name = static_cast<Disassembler *>(handle)->instructions->getName(opcode);
    *length = name.size();
    return name.data();
}

}
