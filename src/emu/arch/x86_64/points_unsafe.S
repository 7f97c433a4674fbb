// The door of preemption points (patch_plan.h). A point's head calls it on the task's kernel stack; every
// register but rsp is the guest's, and so it is when the call returns.

#include "emu/arch/x86_64/offsets.h"

        .text

// There is nothing to ask.
        .globl  detent_pass_point
        .type   detent_pass_point, @function
detent_pass_point:
        ret
        .size   detent_pass_point, .-detent_pass_point

// Saves everything in the task's UserState, asks, and enters the guest again: what runs meanwhile may be
// other tasks. rip is the address that the call would return to until detent_serve_point knows better.
        .globl  detent_ask_at_point
        .type   detent_ask_at_point, @function
detent_ask_at_point:
        pushfq
        pushq   %rax
        movq    detent_cpu+CPU_CURRENT, %rax
        movq    %rbx, S_RBX(%rax)
        movq    %rcx, S_RCX(%rax)
        movq    %rdx, S_RDX(%rax)
        movq    %rsi, S_RSI(%rax)
        movq    %rdi, S_RDI(%rax)
        movq    %rbp, S_RBP(%rax)
        movq    %r8, S_R8(%rax)
        movq    %r9, S_R9(%rax)
        movq    %r10, S_R10(%rax)
        movq    %r11, S_R11(%rax)
        movq    %r12, S_R12(%rax)
        movq    %r13, S_R13(%rax)
        movq    %r14, S_R14(%rax)
        movq    %r15, S_R15(%rax)
        movq    detent_cpu+CPU_GUEST_RSP, %rcx
        movq    %rcx, S_RSP(%rax)
        popq    S_RAX(%rax)
        popq    %rdx
        movq    %rdx, S_RFLAGS(%rax)
        popq    S_RIP(%rax)
        movq    $FULL_BY_IRET, S_FULL(%rax)
        movq    %rax, %rbx
        testl   $FLAGS_TO_CLEAR, %edx
        jnz     .Lclear_flags
.Lflags_cleared:
        cmpl    $0, detent_cpu+CPU_FSGSBASE
        je      .Lbases_slowly
        rdfsbase %rax
        movq    %rax, S_FS(%rbx)
        rdgsbase %rax
        movq    %rax, S_GS(%rbx)
        movq    %rax, detent_cpu+CPU_LOADED_GS
        movq    detent_cpu+CPU_KERNEL_FS, %rax
        wrfsbase %rax
.Lbases_saved:
        stmxcsr S_MXCSR(%rbx)
        movl    S_MXCSR(%rbx), %eax
        andl    $MXCSR_CONTROL, %eax
        cmpl    $MXCSR_DEFAULT, %eax
        jne     .Lload_mxcsr
.Lmxcsr_loaded:
        movq    S_REGISTERS(%rbx), %r8
        cmpl    $MODE_AVX512, detent_cpu+CPU_VECTOR_MODE
        jne     .Lsave_otherwise
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        vmovdqa64 %zmm\n, 64*\n(%r8)
        .endr
        .irp    n, 0,1,2,3,4,5,6,7
        kmovq   %k\n, 2048+8*\n(%r8)
        .endr
.Lsaved_by_hand:
        vzeroupper
        movl    $1, S_BY_HAND(%rbx)
.Lsaved:
        movq    %rbx, %rdi
        call    detent_serve_point
        movq    %rbx, %rdi
        jmp     detent_enter_again

.Lclear_flags:
        pushq   $0x202
        popfq
        jmp     .Lflags_cleared
.Lbases_slowly:
        movq    detent_cpu+CPU_KERNEL_FS, %rsi
        movl    $SYS_arch_prctl, %eax
        movl    $ARCH_SET_FS, %edi
        syscall
        jmp     .Lbases_saved
.Lload_mxcsr:
        pushq   $MXCSR_DEFAULT
        ldmxcsr (%rsp)
        addq    $8, %rsp
        jmp     .Lmxcsr_loaded
.Lsave_otherwise:
        cmpl    $MODE_AVX, detent_cpu+CPU_VECTOR_MODE
        jne     1f
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
        vmovdqa %ymm\n, 32*\n(%r8)
        .endr
        jmp     .Lsaved_by_hand
        // As at a patched call: the image holds MXCSR, too.
1:      ldmxcsr S_MXCSR(%rbx)
        movq    S_XSAVE(%rbx), %r8
        movl    detent_cpu+CPU_XMASK, %eax
        movl    detent_cpu+CPU_XMASK+4, %edx
        xsave64 (%r8)
        movl    $0, S_BY_HAND(%rbx)
        movq    $0, detent_x87_owner
        pushq   $MXCSR_DEFAULT
        ldmxcsr (%rsp)
        addq    $8, %rsp
        jmp     .Lsaved
        .size   detent_ask_at_point, .-detent_ask_at_point

        .section .note.GNU-stack,"",@progbits
