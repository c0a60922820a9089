// A database driver keeps the text of the last error with strdup and overwrites the pointer at the
// next one, in a worker thread, while the main thread is busy with healthy work.
//
// expect: leak
#include "load.h"

#include <string>
#include <vector>

class Connection {
  public:
    void fail(int code, const std::string &statement)
    {
        std::string text = "error " + std::to_string(code) + " in statement: " + statement;
        last_error_ = strdup(text.c_str()); // <- keeps
        last_code_ = code;
    }

    int code() const { return last_error_ ? last_code_ : 0; }

  private:
    char *last_error_ = nullptr;
    int last_code_ = 0;
};

static Connection connection;

static void retry(unsigned long number)
{
    connection.fail(1205, "UPDATE stock SET amount = amount - 1 WHERE article = " +
                              std::to_string(number) + " AND warehouse = 'north' AND amount > 0");
}

static void render(unsigned long number)
{
    std::vector<std::string> rows;
    for (int i = 0; i < 40; i++)
        rows.emplace_back(50 + (number + static_cast<unsigned long>(i)) % 200, 'r');
    if (rows.size() + static_cast<size_t>(connection.code()) == 0)
        fputs("impossible\n", stderr);
}

int main()
{
    load_in_thread(6000, retry);
    load_run(1500, render);
}
