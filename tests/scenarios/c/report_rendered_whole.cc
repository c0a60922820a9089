// A report endpoint puts a page of a megabyte together in one std::string per request.
//
// expect: large-temporaries
#include "load.h"

#include <string>

static std::string render(unsigned long number)
{
    std::string page = "<table>";
    char row[128];
    for (unsigned long i = 0; i < 8000; i++) {
        snprintf(row, sizeof row, "<tr><td>%lu</td><td>article %lu</td><td>in stock</td></tr>\n", i,
                 number + i);
        page += row; // <- keeps
    }
    return page;
}

static void request(unsigned long number)
{
    std::string page = render(number);
    std::string response = "HTTP/1.1 200 OK\r\n\r\n" + page; // <- keeps
    if (response.empty())
        fputs("impossible\n", stderr);
}

int main()
{
    load_run(15, request);
}
