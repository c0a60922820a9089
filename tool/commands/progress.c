/* See progress.h. */
#include "tool/commands/progress.h"

#include "tool/commands/command.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct ebb_progress ebb_progress_start(FILE *out, double window_s)
{
    const char *terminal = getenv("TERM");
    bool shown = isatty(fileno(out)) && terminal && *terminal && strcmp(terminal, "dumb") != 0;
    return (struct ebb_progress){out, shown, window_s};
}

/* Shorter than the terminal is wide, or it could not be erased. */
void ebb_progress_say(const struct ebb_progress *progress, const char *words)
{
    struct winsize size;
    if (!progress->shown)
        return;
    bool known = ioctl(fileno(progress->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    int width = known ? size.ws_col - 1 : 79;
    fprintf(progress->out, "\r\033[2K%.*s\r", width, words);
    fflush(progress->out);
}

void ebb_progress_show(const struct ebb_progress *progress, const struct ebb_target *target,
                       double elapsed_s)
{
    double live = 0, growth = 0, rss = 0;
    for (size_t i = 0; progress->shown && i < ebb_target_subject_count(target); i++) {
        const struct ebb_evidence *subject = ebb_target_subject(target, i);
        if (subject->ended || subject->observations.len == 0)
            continue;
        const struct ebb_observation *first = &subject->observations.items[0];
        const struct ebb_observation *last = first + subject->observations.len - 1;
        live += last->live_bytes;
        rss += last->memory.rss != UINT64_MAX ? (double)last->memory.rss : 0;
        if (last->time_s > first->time_s)
            growth += (last->live_bytes - first->live_bytes) / (last->time_s - first->time_s);
    }

    char live_text[16], growth_text[16], rss_text[16], words[128];
    ebb_format_bytes(live, live_text);
    ebb_format_bytes(growth, growth_text);
    ebb_format_bytes(rss, rss_text);
    snprintf(words, sizeof words, "watching %.0f of %.0f s   live %s   %s%s/s   RSS %s", elapsed_s,
             progress->window_s, live_text, growth >= 0 ? "+" : "", growth_text, rss_text);
    ebb_progress_say(progress, words);
}

void ebb_progress_erase(const struct ebb_progress *progress)
{
    if (!progress->shown)
        return;
    fputs("\r\033[2K", progress->out);
    fflush(progress->out);
}
