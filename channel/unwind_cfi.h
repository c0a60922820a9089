/* From an instruction to the rule that finds its caller: a reader of .eh_frame.
 *
 * The format is the Linux Standard Base's .eh_frame and .eh_frame_hdr (LSB Core 5.0, chapter 10)
 * and DWARF 5's call frame information (section 6.4), as far as stack walking needs it: where the
 * canonical frame address (CFA) is, and where the frame saved the return address, the frame
 * pointer and one more callee-saved register that some code uses as a base.
 *
 * Pure: reads only the bytes between the bounds it is given, whatever they hold. */
#ifndef EBB_CHANNEL_UNWIND_CFI_H
#define EBB_CHANNEL_UNWIND_CFI_H

#include <stdbool.h>
#include <stdint.h>

/* DWARF's numbers of the registers that are followed. `BASE` is the extra one: rbx carries the CFA
 * in the dynamic linker's lazy binding. */
#if defined(__x86_64__)
enum { EBB_CFI_BASE = 3, EBB_CFI_FP = 6, EBB_CFI_SP = 7, EBB_CFI_RA = 16 };
#else /* aarch64 */
enum { EBB_CFI_BASE = 19, EBB_CFI_FP = 29, EBB_CFI_SP = 31, EBB_CFI_RA = 30 };
#endif

enum ebb_cfi_kind {
    EBB_CFI_NONE, /* no information, or a rule that cannot be expressed here */
    EBB_CFI_STEP,
    EBB_CFI_SIGNAL, /* a signal trampoline: the registers are in the ucontext at sp */
    EBB_CFI_END,    /* the outermost frame */
};

enum ebb_cfi_register { EBB_CFI_FROM_SP, EBB_CFI_FROM_FP, EBB_CFI_FROM_BASE };

enum {
    EBB_CFI_DEREF = 1u << 0,      /* CFA = *(register + cfa_offset) + cfa_add */
    EBB_CFI_RA_IN_REG = 1u << 1,  /* the return address is still in the link register */
    EBB_CFI_RA_SIGNED = 1u << 2,  /* aarch64 pointer authentication */
    EBB_CFI_FP_SAVED = 1u << 3,   /* else the frame pointer is the caller's already */
    EBB_CFI_BASE_SAVED = 1u << 4, /* the same for the extra register */
    EBB_CFI_FP_AT_FP = 1u << 5, /* saved at the frame pointer plus the offset, not at the CFA's: */
    EBB_CFI_BASE_AT_FP = 1u << 6, /* frames that realign the stack */
};

#define EBB_CFI_LOST INT32_MIN /* the offset of a register that was saved who knows where */

/* CFA = register + cfa_offset, then everything at the CFA plus an offset. */
struct ebb_cfi_rule {
    uint8_t kind; /* enum ebb_cfi_kind */
    uint8_t from; /* enum ebb_cfi_register */
    uint16_t flags;
    uint16_t object; /* the caller's: which object the rule came from */
    int16_t cfa_add;
    int32_t cfa_offset;
    int32_t ra_offset, fp_offset, base_offset;
};

/* The readable part of an object that holds both tables. */
struct ebb_cfi_tables {
    const uint8_t *start, *end;
    const uint8_t *eh_frame_hdr;
};

/* An address as the walk computes with it, for reading. */
static inline const void *ebb_cfi_pointer(uint64_t address)
{
    return (const void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr) */
}

/* The rule for the instruction at `pc`. `kind` is NONE when there is none. `*is_signal` says that
 * the table marks the code as a signal trampoline. O(log entries + instructions of the function).
 */
struct ebb_cfi_rule ebb_cfi_find(const struct ebb_cfi_tables *tables, uint64_t pc, bool *is_signal);

#endif
