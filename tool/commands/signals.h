/* Signals as numbers to wait for, for subcommands that run until something happens.
 *
 * Handlers, not a blocked mask: handlers vanish at exec, so a program that is started meanwhile
 * inherits nothing of ours. Signals that were ignored from the start (nohup) stay ignored. */
#ifndef EBB_TOOL_COMMANDS_SIGNALS_H
#define EBB_TOOL_COMMANDS_SIGNALS_H

#include <stdbool.h>

/* Catches `signals` (zero-terminated). 0 or a negative errno. Once per process. */
int ebb_signals_catch(const int *signals);

/* The next caught signal, in order of arrival; 0 when none came within `timeout_ms`. */
int ebb_signals_wait(int timeout_ms);

/* A descriptor that can be read while a caught signal waits; -1 before any is caught. */
int ebb_signals_descriptor(void);

/* Whether the kernel sent the signal that ebb_signals_wait returned last, as it does for keys of the
 * terminal: then everything in our process group got it too. */
bool ebb_signals_from_kernel(void);

#endif
