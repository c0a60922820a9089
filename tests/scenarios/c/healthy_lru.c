/* A bounded LRU cache of rendered pages: 20 000 entries, the least recently used goes first. It
 * takes some seconds until it is full.
 *
 * expect: healthy */
#include "load.h"

enum { BUCKETS = 8192, MOST = 20000 };

struct page {
    struct page *next, *newer, *older;
    unsigned long key;
    char *html;
};

static struct page *buckets[BUCKETS], *newest, *oldest;
static size_t count;

static void unlink_page(struct page *page)
{
    *(page->newer ? &page->newer->older : &newest) = page->older;
    *(page->older ? &page->older->newer : &oldest) = page->newer;
}

static void to_front(struct page *page)
{
    page->newer = NULL;
    page->older = newest;
    *(newest ? &newest->newer : &oldest) = page;
    newest = page;
}

static void evict(void)
{
    struct page *page = oldest, **at = &buckets[page->key % BUCKETS];
    while (*at != page)
        at = &(*at)->next;
    *at = page->next;
    unlink_page(page);
    free(page->html);
    free(page);
    count--;
}

static const char *page_of(unsigned long key)
{
    struct page *page = buckets[key % BUCKETS];
    while (page && page->key != key)
        page = page->next;
    if (page) {
        unlink_page(page);
        to_front(page);
        return page->html;
    }
    if (count >= MOST)
        evict();
    page = calloc(1, sizeof *page);
    if (!page || !(page->html = malloc(400 + key % 400)))
        abort();
    snprintf(page->html, 400, "<html>page %lu</html>", key);
    page->key = key;
    page->next = buckets[key % BUCKETS];
    buckets[key % BUCKETS] = page;
    to_front(page);
    count++;
    return page->html;
}

static void request(unsigned long number)
{
    unsigned long key = load_random(number) % (number % 4 ? 5000 : 2000000);
    if (!*page_of(key))
        fputs("empty\n", stderr);
}

int main(void)
{
    load_run(12000, request);
}
