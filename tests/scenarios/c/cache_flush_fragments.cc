// An image service keeps thumbnails of mixed sizes beside small, long-lived metadata allocated in
// between. When the thumbnails are flushed the process stays as large as it was.
//
// expect: fragmentation
// window: 30
#include "load.h"

#include <memory>
#include <string>
#include <vector>

struct Image {
    std::vector<unsigned char> thumbnail;
    std::string title;
};

static std::vector<std::unique_ptr<Image>> images;

static void add(unsigned long number)
{
    auto image = std::make_unique<Image>();
    image->thumbnail.assign(1500 + load_random(number) % 3000, 0x80);
    image->title = "holiday picture number " + std::to_string(number) + ", at the sea";
    images.push_back(std::move(image));
}

static void flush()
{
    for (auto &image : images)
        std::vector<unsigned char>().swap(image->thumbnail);
}

static void tick(unsigned long number)
{
    if (number < 50)
        for (unsigned long i = 0; i < 1500; i++)
            add(number * 1500 + i);
    else if (number == 60)
        flush();
    std::string request(200 + number % 100, 'q');
    if (request.empty())
        fputs("impossible\n", stderr);
}

int main()
{
    load_run(10, tick);
}
