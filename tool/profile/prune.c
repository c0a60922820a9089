/* Cuts frames off stacks that a profile declares uninteresting: those whose function matches
 * drop_frames and not keep_frames, with everything they called. The rules are google/pprof's, so
 * that both count the same: names match as a whole and without arguments, the cut is at the match
 * nearest to the root, and frames at the root that match stay as long as no other frame has been
 * seen.
 *
 * The expressions come from the file. glibc compiles hostile ones at any cost, so those with
 * bounds, back references or deep nesting are refused. */
#include "tool/profile/profile.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_EXPRESSION = 64 << 10, DEEPEST_NESTING = 50 };

static bool harmless(const char *text)
{
    int depth = 0;
    if (strlen(text) > LONGEST_EXPRESSION)
        return false;
    for (; *text; text++) {
        if (*text == '\\' && text[1]) {
            if (*++text >= '0' && *text <= '9')
                return false;
        } else if (*text == '{') {
            return false;
        } else if (*text == '(' && ++depth > DEEPEST_NESTING) {
            return false;
        } else if (*text == ')') {
            depth--;
        }
    }
    return true;
}

/* POSIX has no (?: ) and \d; the rest of what such expressions use, it shares with Go's syntax. */
static char *as_posix(const char *text)
{
    char *posix = malloc(3 * strlen(text) + sizeof "^()$"), *to = posix;
    if (!posix)
        return NULL;
    to = stpcpy(to, "^(");
    while (*text) {
        if (strncmp(text, "\\d", 2) == 0) {
            to = stpcpy(to, "[0-9]");
            text += 2;
        } else if (*text == '\\' && text[1]) {
            *to++ = *text++;
            *to++ = *text++;
        } else if (strncmp(text, "(?:", 3) == 0) {
            *to++ = '(';
            text += 3;
        } else {
            *to++ = *text++;
        }
    }
    stpcpy(to, ")$");
    return posix;
}

static int compile(const char *text, regex_t *compiled, struct ebb_error *error)
{
    char *posix = harmless(text) ? as_posix(text) : NULL;
    if (!posix && harmless(text))
        return ebb_error_set(error, -ENOMEM, "out of memory");
    int failed = posix ? regcomp(compiled, posix, REG_EXTENDED | REG_NOSUB) : REG_BADPAT;
    free(posix);
    if (failed)
        return ebb_error_set(error, failed == REG_ESPACE ? -ENOMEM : -EINVAL,
                             "the profile's expression for frames to drop cannot be used: %.100s",
                             text);
    return 0;
}

/* The length of a function's name without its arguments, which "(anonymous namespace)" and
 * "operator()" do not begin. */
static size_t bare_length(const char *name)
{
    for (const char *at = name; (at = strchr(at, '('));) {
        static const char operator[] = "operator()", anonymous[] = "(anonymous namespace)";
        size_t before = sizeof "operator" - 1;
        if (strncmp(at, anonymous, sizeof anonymous - 1) == 0)
            at += sizeof anonymous - 1;
        else if ((size_t)(at - name) >= before &&
                 strncmp(at - before, operator, sizeof operator- 1) == 0)
            at += 2;
        else
            return (size_t)(at - name);
    }
    return strlen(name);
}

static int dropped(const char *name, const regex_t *drop, const regex_t *keep)
{
    char *bare = strndup(name + (*name == '.'), bare_length(name + (*name == '.')));
    if (!bare)
        return -ENOMEM;
    int is =
        regexec(drop, bare, 0, NULL, 0) == 0 && !(keep && regexec(keep, bare, 0, NULL, 0) == 0);
    free(bare);
    return is;
}

enum verdict { STAYS, GOES, GOES_BELOW }; /* below: the callees go, the location stays */

static enum verdict judge(struct ebb_profile *profile, struct ebb_location *location,
                          const bool *drops)
{
    for (uint32_t i = location->line_count; i-- > 0;) {
        if (!drops[profile->lines[location->first_line + i].function])
            continue;
        if (i + 1 == location->line_count)
            return GOES;
        location->first_line += i + 1;
        location->line_count -= i + 1;
        return GOES_BELOW;
    }
    return STAYS;
}

/* How many frames to cut off the leaf end. */
static size_t cut(const uint32_t *stack, size_t depth, const unsigned char *verdicts)
{
    bool seen_other = false;
    for (size_t i = depth; i-- > 0;) {
        enum verdict verdict = verdicts[stack[i]];
        if (verdict == STAYS)
            seen_other = true;
        else if (seen_other)
            return verdict == GOES ? i + 1 : i;
    }
    return 0;
}

static void cut_stacks(struct ebb_profile *profile, const unsigned char *verdicts)
{
    uint64_t kept = 0, begin = profile->stack_start[0];
    for (size_t i = 0; i < profile->sample_count; i++) {
        uint64_t end = profile->stack_start[i + 1];
        uint64_t from = begin + cut(profile->stack + begin, end - begin, verdicts);
        memmove(profile->stack + kept, profile->stack + from,
                (end - from) * sizeof *profile->stack);
        kept += end - from;
        profile->stack_start[i + 1] = kept;
        begin = end;
    }
}

static int judge_functions(const struct ebb_profile *profile, const regex_t *drop,
                           const regex_t *keep, bool *drops, bool *any)
{
    for (size_t i = 0; i < profile->function_count; i++) {
        const char *name = ebb_profile_string(profile, profile->functions[i].name);
        int is = *name ? dropped(name, drop, keep) : 0;
        if (is < 0)
            return is;
        drops[i] = is;
        *any |= is;
    }
    return 0;
}

static int prune(struct ebb_profile *profile, const regex_t *drop, const regex_t *keep)
{
    bool *drops = calloc(profile->function_count + 1, sizeof *drops), any = false;
    unsigned char *verdicts = calloc(profile->location_count + 1, 1);
    int failed = drops && verdicts ? judge_functions(profile, drop, keep, drops, &any) : -ENOMEM;
    if (!failed && any) {
        for (size_t i = 0; i < profile->location_count; i++)
            verdicts[i] = (unsigned char)judge(profile, &profile->locations[i], drops);
        cut_stacks(profile, verdicts);
    }
    free(drops);
    free(verdicts);
    return failed;
}

int ebb_profile_prune(struct ebb_profile *profile, struct ebb_error *error)
{
    const char *drop_text = ebb_profile_string(profile, profile->drop_frames);
    const char *keep_text = ebb_profile_string(profile, profile->keep_frames);
    regex_t drop, keep;
    if (!*drop_text)
        return 0;
    int failed = compile(drop_text, &drop, error);
    if (failed)
        return failed;
    failed = *keep_text ? compile(keep_text, &keep, error) : 0;
    if (!failed) {
        failed = prune(profile, &drop, *keep_text ? &keep : NULL);
        if (*keep_text)
            regfree(&keep);
        if (failed)
            ebb_error_set(error, failed, "out of memory while dropping frames");
    }
    regfree(&drop);
    return failed;
}
