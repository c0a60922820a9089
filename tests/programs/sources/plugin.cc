// A plugin that brings its own C++ library (-static-libstdc++), as many are shipped.
#include <string>
#include <vector>

extern "C" int count(int n)
{
    std::vector<std::string> texts;
    for (int i = 0; i < n; i++)
        texts.push_back(std::string(100, 'x'));
    return static_cast<int>(texts.size());
}
