// What the assembly of this directory knows of UserState and Cpu. enter_unsafe.cc asserts it, but for the
// modes.
#pragma once

#define S_RAX 0
#define S_RBX 8
#define S_RCX 16
#define S_RDX 24
#define S_RSI 32
#define S_RDI 40
#define S_RBP 48
#define S_RSP 56
#define S_R8 64
#define S_R9 72
#define S_R10 80
#define S_R11 88
#define S_R12 96
#define S_R13 104
#define S_R14 112
#define S_R15 120
#define S_RIP 128
#define S_RFLAGS 136
#define S_FS 144
#define S_GS 152
#define S_XSAVE 160
#define S_FULL 168
#define S_IRET 176
#define S_RESUME_RIP 216
#define S_RESUME_TARGET 224
#define S_REGISTERS 232
#define S_BY_HAND 240
#define S_MXCSR 244

#define CPU_CURRENT 0
#define CPU_KERNEL_RSP 8
#define CPU_KERNEL_FS 16
#define CPU_XMASK 24
#define CPU_LOADED_GS 32
#define CPU_INTERRUPT 40
#define CPU_FSGSBASE 44
#define CPU_NOT_ENTERED 48
#define CPU_VECTOR_MODE 52
#define CPU_GUEST_RSP 64
#define CPU_TARGET 72
#define CPU_FAST_BUDGET 80

// Values of UserState::full_restore_ other than 0.
#define FULL_BY_IRET 1
#define FULL_BY_JUMP 2

#define MODE_XSAVE 0
#define MODE_AVX 1
#define MODE_AVX512 2

// Rounding and exception masks as the C ABI wants them; the sticky flags below do not matter.
#define MXCSR_CONTROL 0xffc0
#define MXCSR_DEFAULT 0x1f80
// TF, DF, AC.
#define FLAGS_TO_CLEAR 0x40500

#define SYS_arch_prctl 158
#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
