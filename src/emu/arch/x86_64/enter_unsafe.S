// The ways into and out of the guest. Offsets: see UserStateLayout and Cpu in enter_unsafe.cc.

#include "emu/arch/x86_64/offsets.h"

// Of detent_fast_table (kernel/fast_calls_unsafe.cc).
#define FAST_LIMIT 256
#define FAST_IN_A_ROW 64

#define UC_RIP 168

        .text

// void detent_enter_guest(UserState*): returns when the guest comes back.
        .globl  detent_enter_guest
        .type   detent_enter_guest, @function
detent_enter_guest:
        .cfi_startproc
        pushq   %rbp
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        subq    $8, %rsp
        // rdi = the state to enter from, rsp = below the frame that .Lleave takes off.
        .globl  detent_enter_again
detent_enter_again:
.Lenter:
        movq    %rsp, detent_cpu+CPU_KERNEL_RSP
        movq    %rdi, detent_cpu+CPU_CURRENT
        cmpl    $0, S_BY_HAND(%rdi)
        je      .Lload_image
        cmpq    %rdi, detent_x87_owner
        jne     .Lload_x87
.Lx87_loaded:
        movq    S_REGISTERS(%rdi), %r8
        cmpl    $MODE_AVX512, detent_cpu+CPU_VECTOR_MODE
        jne     .Lload_ymm
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        vmovdqa64 64*\n(%r8), %zmm\n
        .endr
        .irp    n, 0,1,2,3,4,5,6,7
        kmovq   2048+8*\n(%r8), %k\n
        .endr
.Lymm_loaded:
        ldmxcsr S_MXCSR(%rdi)
.Lvectors_loaded:
        movq    S_RIP(%rdi), %rax
        cmpq    S_RESUME_RIP(%rdi), %rax
        cmoveq  S_RESUME_TARGET(%rdi), %rax
        movq    %rax, detent_cpu+CPU_TARGET
        movq    S_GS(%rdi), %rsi
        cmpq    %rsi, detent_cpu+CPU_LOADED_GS
        jne     .Lload_gs
.Lgs_loaded:
        // From here to detent_enter_end a recorded host signal makes us turn back: the handler moves
        // the instruction pointer to detent_enter_abort.
        .globl  detent_enter_begin
detent_enter_begin:
        cmpl    $0, detent_cpu+CPU_INTERRUPT
        jne     detent_enter_abort
        movq    S_FS(%rdi), %rsi
        cmpl    $0, detent_cpu+CPU_FSGSBASE
        je      .Lset_fs_slowly
        wrfsbase %rsi
.Lfs_loaded:
        cmpq    $0, S_FULL(%rdi)
        jne     .Lfull_restore
        pushq   S_RFLAGS(%rdi)
        popfq
        movq    %rdi, %rcx
        movq    S_RAX(%rcx), %rax
        movq    S_RBX(%rcx), %rbx
        movq    S_RDX(%rcx), %rdx
        movq    S_RSI(%rcx), %rsi
        movq    S_RDI(%rcx), %rdi
        movq    S_RBP(%rcx), %rbp
        movq    S_R8(%rcx), %r8
        movq    S_R9(%rcx), %r9
        movq    S_R10(%rcx), %r10
        movq    S_RFLAGS(%rcx), %r11
        movq    S_R12(%rcx), %r12
        movq    S_R13(%rcx), %r13
        movq    S_R14(%rcx), %r14
        movq    S_R15(%rcx), %r15
        movq    S_RSP(%rcx), %rsp
        movq    S_RIP(%rcx), %rcx
        jmp     *detent_cpu+CPU_TARGET
.Lfull_restore:
        cmpq    $FULL_BY_JUMP, S_FULL(%rdi)
        je      .Lrestore_and_jump
        movq    S_RAX(%rdi), %rax
        movq    S_RBX(%rdi), %rbx
        movq    S_RCX(%rdi), %rcx
        movq    S_RDX(%rdi), %rdx
        movq    S_RSI(%rdi), %rsi
        movq    S_RBP(%rdi), %rbp
        movq    S_R8(%rdi), %r8
        movq    S_R9(%rdi), %r9
        movq    S_R10(%rdi), %r10
        movq    S_R11(%rdi), %r11
        movq    S_R12(%rdi), %r12
        movq    S_R13(%rdi), %r13
        movq    S_R14(%rdi), %r14
        movq    S_R15(%rdi), %r15
        leaq    S_IRET(%rdi), %rsp
        movq    S_RDI(%rdi), %rdi
        iretq
        // Every register, but rip is where detent_cpu.target says.
.Lrestore_and_jump:
        pushq   S_RFLAGS(%rdi)
        popfq
        movq    %rdi, %rcx
        movq    S_RAX(%rcx), %rax
        movq    S_RBX(%rcx), %rbx
        movq    S_RDX(%rcx), %rdx
        movq    S_RSI(%rcx), %rsi
        movq    S_RDI(%rcx), %rdi
        movq    S_RBP(%rcx), %rbp
        movq    S_R8(%rcx), %r8
        movq    S_R9(%rcx), %r9
        movq    S_R10(%rcx), %r10
        movq    S_R11(%rcx), %r11
        movq    S_R12(%rcx), %r12
        movq    S_R13(%rcx), %r13
        movq    S_R14(%rcx), %r14
        movq    S_R15(%rcx), %r15
        movq    S_RSP(%rcx), %rsp
        movq    S_RCX(%rcx), %rcx
        jmp     *detent_cpu+CPU_TARGET
.Lset_fs_slowly:
        movq    %rdi, %rbx
        movl    $SYS_arch_prctl, %eax
        movl    $ARCH_SET_FS, %edi
        syscall
        movq    %rbx, %rdi
        jmp     .Lfs_loaded
        .globl  detent_enter_end
detent_enter_end:

.Lload_image:
        movq    %rdi, %rbx
        cmpq    $0, detent_x87_owner
        je      1f
        cmpq    %rdi, detent_x87_owner
        je      1f
        call    detent_save_x87
1:      movq    %rbx, %rdi
        movq    %rdi, detent_x87_owner
        movl    detent_cpu+CPU_XMASK, %eax
        movl    detent_cpu+CPU_XMASK+4, %edx
        movq    S_XSAVE(%rdi), %r8
        xrstor64 (%r8)
        jmp     .Lvectors_loaded
.Lload_x87:
        movq    %rdi, %rbx
        call    detent_switch_x87
        movq    %rbx, %rdi
        jmp     .Lx87_loaded
.Lload_ymm:
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
        vmovdqa 32*\n(%r8), %ymm\n
        .endr
        jmp     .Lymm_loaded

.Lload_gs:
        movq    %rsi, detent_cpu+CPU_LOADED_GS
        cmpl    $0, detent_cpu+CPU_FSGSBASE
        je      .Lset_gs_slowly
        wrgsbase %rsi
        jmp     .Lgs_loaded
.Lset_gs_slowly:
        movq    %rdi, %rbx
        movl    $SYS_arch_prctl, %eax
        movl    $ARCH_SET_GS, %edi
        syscall
        movq    %rbx, %rdi
        jmp     .Lgs_loaded

        .globl  detent_enter_abort
detent_enter_abort:
        movl    $1, detent_cpu+CPU_NOT_ENTERED
        // Not on the guest's stack, which may be loaded already: its red zone is not ours.
        movq    detent_cpu+CPU_KERNEL_RSP, %rsp
        call    .Lrestore_kernel_fs
        pushq   $MXCSR_DEFAULT
        ldmxcsr (%rsp)
        addq    $8, %rsp
        cld
.Lleave:
        addq    $8, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        ret
        .cfi_endproc
        .size   detent_enter_guest, .-detent_enter_guest

// A patched call site comes here from its trampoline (patch_plan.h), with rcx = its return address, r11 =
// where the trampoline goes on, and all else the guest's, rsp and FS included.
        .globl  detent_patched_entry
        .type   detent_patched_entry, @function
detent_patched_entry:
        movq    %rsp, detent_cpu+CPU_GUEST_RSP
        movq    detent_cpu+CPU_KERNEL_RSP, %rsp
        pushfq
        pushq   %rcx
        pushq   %r11
        // A fast call? It takes its arguments as a function does, and answers in rax; rdx: it declines.
        cmpq    $FAST_LIMIT, %rax
        jae     .Lwhole_entry
        movq    detent_fast_table(,%rax,8), %r11
        testq   %r11, %r11
        je      .Lwhole_entry
        cmpl    $0, detent_cpu+CPU_INTERRUPT
        jne     .Lwhole_entry
        decl    detent_cpu+CPU_FAST_BUDGET
        js      .Lwhole_entry
        pushq   %rax
        pushq   %rdi
        pushq   %rsi
        pushq   %rdx
        pushq   %r8
        pushq   %r9
        pushq   %r10
        cld
        movq    %r10, %rcx
        call    *%r11
        testl   %edx, %edx
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdx
        popq    %rsi
        popq    %rdi
        popq    %r11
        jne     .Ldeclined
        incq    detent_fast_calls(,%r11,8)
        popq    %r11
        movq    %r11, detent_cpu+CPU_TARGET
        popq    %rcx
        movq    (%rsp), %r11
        popfq
        movq    detent_cpu+CPU_GUEST_RSP, %rsp
        jmp     *detent_cpu+CPU_TARGET
.Ldeclined:
        movq    %r11, %rax

.Lwhole_entry:
        movl    $FAST_IN_A_ROW, detent_cpu+CPU_FAST_BUDGET
        movq    detent_cpu+CPU_CURRENT, %r11
        movq    %rax, S_RAX(%r11)
        movq    %rbx, S_RBX(%r11)
        movq    %rdx, S_RDX(%r11)
        movq    %rsi, S_RSI(%r11)
        movq    %rdi, S_RDI(%r11)
        movq    %rbp, S_RBP(%r11)
        movq    %r8, S_R8(%r11)
        movq    %r9, S_R9(%r11)
        movq    %r10, S_R10(%r11)
        movq    %r12, S_R12(%r11)
        movq    %r13, S_R13(%r11)
        movq    %r14, S_R14(%r11)
        movq    %r15, S_R15(%r11)
        popq    %rax
        movq    %rax, S_RESUME_TARGET(%r11)
        popq    %rcx
        movq    %rcx, S_RCX(%r11)
        movq    %rcx, S_RIP(%r11)
        movq    %rcx, S_RESUME_RIP(%r11)
        movq    detent_cpu+CPU_GUEST_RSP, %rcx
        movq    %rcx, S_RSP(%r11)
        movq    $0, S_FULL(%r11)
        popq    %rax
        movq    %rax, S_RFLAGS(%r11)
        movq    %rax, S_R11(%r11)
        testl   $FLAGS_TO_CLEAR, %eax
        jnz     .Lclear_flags
.Lflags_cleared:
        movq    %r11, %rbx
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
        call    detent_serve_patched
        movq    %rbx, %rdi
        jmp     .Lenter

.Lclear_flags:
        pushq   $0x202
        popfq
        jmp     .Lflags_cleared
.Lbases_slowly:
        call    .Lrestore_kernel_fs
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
        // MXCSR may be the kernel's by now, and is in the image: the guest's again for this one instruction.
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
        .size   detent_patched_entry, .-detent_patched_entry

// Every host signal handler: rdi = number, rsi = siginfo, rdx = ucontext, on the landing pad's stack.
        .globl  detent_signal_entry
        .type   detent_signal_entry, @function
detent_signal_entry:
        movq    UC_RIP(%rdx), %rax
        cmpq    $__executable_start, %rax
        jb      .Lfrom_guest
        cmpq    $etext, %rax
        jae     .Lfrom_guest
        jmp     detent_signal_in_kernel
.Lfrom_guest:
        pushq   %rdi
        pushq   %rsi
        pushq   %rdx
        movq    detent_cpu+CPU_CURRENT, %rbx
        cmpl    $0, detent_cpu+CPU_FSGSBASE
        je      1f
        rdfsbase %rax
        movq    %rax, S_FS(%rbx)
        rdgsbase %rax
        movq    %rax, S_GS(%rbx)
        movq    %rax, detent_cpu+CPU_LOADED_GS
1:      call    .Lrestore_kernel_fs
        popq    %rdx
        popq    %rsi
        popq    %rdi
        // Still on the landing pad's stack: a second signal stacks below this frame until it is copied.
        // rsp is 8 off a 16-byte boundary at a handler's entry, as a call wants it to be.
        subq    $8, %rsp
        call    detent_landed
        movq    detent_cpu+CPU_KERNEL_RSP, %rsp
        jmp     .Lleave
        .size   detent_signal_entry, .-detent_signal_entry

// Leaves rbx alone; spoils rax, rcx, rdi, rsi, r11.
.Lrestore_kernel_fs:
        movq    detent_cpu+CPU_KERNEL_FS, %rsi
        cmpl    $0, detent_cpu+CPU_FSGSBASE
        je      2f
        wrfsbase %rsi
        ret
2:      movl    $SYS_arch_prctl, %eax
        movl    $ARCH_SET_FS, %edi
        syscall
        ret

// The kernel never returns from a signal handler into the guest, only into itself.
        .globl  detent_restorer
detent_restorer:
        movl    $15, %eax
        syscall

// long detent_host_syscall(nr, a0..a5)
        .globl  detent_host_syscall
        .type   detent_host_syscall, @function
detent_host_syscall:
        movq    %rdi, %rax
        movq    %rsi, %rdi
        movq    %rdx, %rsi
        movq    %rcx, %rdx
        movq    %r8, %r10
        movq    %r9, %r8
        movq    8(%rsp), %r9
        syscall
        ret

        .globl  detent_host_syscall_interruptible
        .type   detent_host_syscall_interruptible, @function
detent_host_syscall_interruptible:
        movq    %rdi, %rax
        movq    %rsi, %rdi
        movq    %rdx, %rsi
        movq    %rcx, %rdx
        movq    %r8, %r10
        movq    %r9, %r8
        movq    8(%rsp), %r9
        // A signal between the test and the instruction moves us to detent_wait_interrupted.
        .globl  detent_wait_begin
detent_wait_begin:
        cmpl    $0, detent_cpu+CPU_INTERRUPT
        jne     detent_wait_interrupted
        syscall
        .globl  detent_wait_end
detent_wait_end:
        ret
        .globl  detent_wait_interrupted
detent_wait_interrupted:
        movq    $-4, %rax
        ret

// long detent_copy(dst, src, n): bytes NOT copied. A fault at the marked instructions continues at
// detent_copy_fault with the remaining count in rcx.
        .globl  detent_copy
        .type   detent_copy, @function
detent_copy:
        movq    %rdx, %rcx
        .globl  detent_copy_insn
detent_copy_insn:
        rep movsb
        .globl  detent_copy_fault
detent_copy_fault:
        movq    %rcx, %rax
        ret

// long detent_load32(src, uint32_t* value): 0, or 1 after a fault. One aligned access: atomic.
        .globl  detent_load32
detent_load32:
        .globl  detent_load32_insn
detent_load32_insn:
        movl    (%rdi), %eax
        movl    %eax, (%rsi)
        xorl    %eax, %eax
        ret

// long detent_cmpxchg32(address, uint32_t* expected, desired): 0 or 1 after a fault; *expected gets the
// value found.
        .globl  detent_cmpxchg32
detent_cmpxchg32:
        movl    (%rsi), %eax
        .globl  detent_cmpxchg32_insn
detent_cmpxchg32_insn:
        lock cmpxchgl %edx, (%rdi)
        movl    %eax, (%rsi)
        xorl    %eax, %eax
        ret
        .globl  detent_access_fault
detent_access_fault:
        movl    $1, %eax
        ret

// long detent_vfork(table of {original, copy, size}..., flags): see emu/process/vfork_unsafe.cc. Save
// every region, clone; the child returns 0 at once; the parent restores every region first. The table and
// the copies lie outside of what the child changes.
        .globl  detent_vfork
        .type   detent_vfork, @function
detent_vfork:
        pushq   %rbx
        movq    %rdi, %rbx
        movq    %rsi, %r8
        movq    %rdi, %rdx
1:      movq    16(%rdx), %rcx
        testq   %rcx, %rcx
        je      2f
        movq    (%rdx), %rsi
        movq    8(%rdx), %rdi
        rep movsb
        addq    $24, %rdx
        jmp     1b
2:      movl    $56, %eax
        movq    %r8, %rdi
        xorl    %esi, %esi
        xorl    %edx, %edx
        xorl    %r10d, %r10d
        xorl    %r8d, %r8d
        syscall
        testq   %rax, %rax
        je      4f
        movq    %rbx, %rdx
3:      movq    16(%rdx), %rcx
        testq   %rcx, %rcx
        je      4f
        movq    (%rdx), %rdi
        movq    8(%rdx), %rsi
        rep movsb
        addq    $24, %rdx
        jmp     3b
4:      popq    %rbx
        ret

// void detent_switch_fiber(void** left, void* to): see fiber_unsafe.cc.
        .globl  detent_switch_fiber
        .type   detent_switch_fiber, @function
detent_switch_fiber:
        pushq   %rbp
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        // Not ret: the return predictor knows nothing of the other stack.
        popq    %rcx
        jmp     *%rcx
        .size   detent_switch_fiber, .-detent_switch_fiber

// The first thing on a new fiber: r12 = entry, r13 = its argument, rsp on a 16-byte boundary off by 8.
        .globl  detent_start_fiber
detent_start_fiber:
        movq    %r12, %rdi
        movq    %r13, %rsi
        subq    $8, %rsp
        call    detent_run_fiber

        .section .note.GNU-stack,"",@progbits
