# fish completion for ebb. What there is to complete is asked from `ebb --help` and
# `ebb COMMAND --help`, so it is never out of date; processes from the records they publish.

function __ebb_commands
    ebb --help 2>/dev/null | string replace -rf '^  ([a-z]+)  +(.*)' '$1\t$2'
end
function __ebb_options
    set -l words (commandline -opc)
    ebb $words[2] --help 2>/dev/null | string match -ra -- '--[a-z][a-z-]*' | sort -u
end
function __ebb_processes
    string replace -rf '.*/ebb-(\d+)-.*' '$1' /dev/shm/ebb-*
end
function __ebb_behind_dashes
    contains -- -- (commandline -opc)
end
function __ebb_program
    set -l words (commandline -opc) (commandline -ct)
    set -l dashes (contains -i -- -- $words)
    complete -C (string join ' ' -- $words[(math $dashes + 1)..-1])
end

complete -c ebb -f -n __fish_use_subcommand -a '(__ebb_commands)'
complete -c ebb -f -n __ebb_behind_dashes -a '(__ebb_program)'
complete -c ebb -n 'not __fish_use_subcommand; and not __ebb_behind_dashes' -a '(__ebb_processes)'
complete -c ebb -f -n 'string match -q -- "-*" (commandline -ct); and not __ebb_behind_dashes' -a '(__ebb_options)'
