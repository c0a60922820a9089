// C++ frames for the unwinder's tests. See unwind_shapes.h.
#include "tests/channel/unwind_shapes.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

int shape_cpp_lambda(leaf_function *leaf)
{
    std::string text = "kept";
    std::function<int(int)> call = [&](int depth) {
        std::string local = text + std::to_string(depth);
        if (depth == 0)
            leaf();
        else
            call(depth - 1);
        return static_cast<int>(local.size());
    };
    return call(6);
}

namespace
{
struct on_leave {
    leaf_function *leaf;
    ~on_leave()
    {
        leaf();
    }
};

__attribute__((noinline)) int thrower(int depth, leaf_function *leaf)
{
    on_leave guard{leaf};
    if (depth == 0)
        throw std::runtime_error("thrown");
    return thrower(depth - 1, leaf) + 1;
}

struct node {
    virtual ~node() = default;
    virtual int walk(int depth, leaf_function *leaf) = 0;
};

struct inner : node {
    int walk(int depth, leaf_function *leaf) override
    {
        auto next = std::make_unique<inner>();
        if (depth == 0) {
            leaf();
            return 1;
        }
        return next->walk(depth - 1, leaf) + depth;
    }
};
} // namespace

int shape_cpp_catch(leaf_function *leaf)
{
    try {
        return thrower(4, leaf);
    } catch (const std::exception &error) {
        leaf();
        return static_cast<int>(std::string(error.what()).size());
    }
}

int shape_cpp_sort(leaf_function *leaf)
{
    std::vector<std::string> words{"d", "a", "c", "b", "e"};
    bool called = false;
    std::sort(words.begin(), words.end(), [&](const std::string &a, const std::string &b) {
        if (!called) {
            called = true;
            leaf();
        }
        return a < b;
    });
    return words[0][0];
}

int shape_cpp_virtual(int depth, leaf_function *leaf)
{
    inner root;
    node *start = &root;
    return start->walk(depth, leaf);
}
