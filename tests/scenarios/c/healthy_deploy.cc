// A deployment: modules are loaded and caches are filled at once for three seconds, then the load comes
// up slowly over ten seconds, each connection with buffers of its own, and then stays.
//
// expect: healthy
// window: 30
#include "load.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

struct Connection {
    std::vector<char> in = std::vector<char>(16384), out = std::vector<char>(16384);
};

static std::map<std::string, std::string> templates;
static std::vector<std::unique_ptr<Connection>> connections;

static void tick(unsigned long number)
{
    double now = static_cast<double>(number) / 100;
    if (now < 3) {
        for (unsigned long i = 0; i < 300; i++)
            templates["template/" + std::to_string(number * 300 + i)] = std::string(150, 'p');
    } else if (connections.size() < 600 && now < 13) {
        if (load_random(number) % 1000 < 600)
            connections.push_back(std::make_unique<Connection>());
    }
    for (int i = 0; i < 40; i++) {
        std::string page = templates.begin()->second + std::string(1000 + number % 500, 'x');
        if (page.empty())
            fputs("impossible\n", stderr);
    }
}

int main()
{
    load_run(100, tick);
}
