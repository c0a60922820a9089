// Constant churn: sessions of all sizes come and go at random, 40 000 of them at any time, 20 MB/s.
//
// expect: healthy
#include "load.h"

#include <memory>
#include <string>
#include <unordered_map>

struct Session {
    std::string token, basket;
    double began;
};

static std::unordered_map<unsigned long, std::unique_ptr<Session>> sessions;

static void come_and_go(unsigned long number)
{
    unsigned long seat = load_random(number) % 40000;
    auto session = std::make_unique<Session>();
    session->token = std::string(40, 't');
    session->basket = std::string(load_random(~number) % 1500, 'b');
    session->began = load_now();
    sessions[seat] = std::move(session);
    if (number % 5 == 0)
        sessions.erase(load_random(number * 3) % 40000);
}

int main()
{
    load_run(22000, come_and_go);
}
