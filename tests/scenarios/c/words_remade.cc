// A search index counts the words of every document in a std::unordered_map that it makes anew for
// each, although all documents are of a kind.
//
// expect: map-remade
#include "load.h"

#include <string>
#include <unordered_map>
#include <vector>

static std::vector<int> vocabulary(5000);

static double score(const std::vector<int> &document)
{
    std::unordered_map<int, int> counts;
    for (int word : document)
        counts[word]++; // <- keeps
    double sum = 0;
    for (const auto &entry : counts)
        sum += entry.second * entry.second;
    return sum;
}

static void document(unsigned long number)
{
    static thread_local std::vector<int> words(600);
    for (size_t i = 0; i < words.size(); i++)
        words[i] = static_cast<int>(load_random(number * 600 + i) % vocabulary.size());
    if (score(words) < 0)
        fputs("impossible\n", stderr);
}

int main()
{
    load_run(700, document);
}
