/* Writing to the log of ebb/log.h, for the library's own use. */
#ifndef EBB_RUNTIME_LOG_H
#define EBB_RUNTIME_LOG_H

/* One line, cut at 400 bytes; nothing when there is no log. Keeps errno. */
void ebb__log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
