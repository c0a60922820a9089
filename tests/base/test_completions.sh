#!/bin/bash
# What bash, zsh and fish would complete. Usage: test_completions.sh EBB COMPLETIONS_DIRECTORY
# Prints TAP.
ebb=$(dirname "$(realpath "$1")")
directory=$(realpath "$2")
PATH=$ebb:$PATH
count=0

# expect NAME WORD OUTPUT: WORD is a line of OUTPUT.
expect() {
    count=$((count + 1))
    if grep -qx -- "$2" <<<"$3"; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        echo "# expected '$2' in: ${3//$'\n'/ }"
    fi
}
skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

# complete_bash WORD...: what there is to complete of the last one.
complete_bash() {
    # shellcheck source=/dev/null
    . "$directory/ebb.bash"
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _ebb
    printf '%s\n' "${COMPREPLY[@]}"
}
expect "bash: a command" doctor "$(complete_bash ebb "do")"
expect "bash: every command" ps "$(complete_bash ebb '')"
expect "bash: an option" --token "$(complete_bash ebb run --to)"
expect "bash: a program behind --" true "$(complete_bash ebb run -- tru)"
expect "bash: a file" "$directory/ebb.fish" "$(complete_bash ebb top "$directory/ebb.f")"

if command -v fish >/dev/null; then
    complete_fish() { HOME=/nonexistent fish -c "source $directory/ebb.fish; complete -C '$1'" 2>/dev/null | cut -f1; }
    expect "fish: a command" doctor "$(complete_fish 'ebb do')"
    expect "fish: an option" --token "$(complete_fish 'ebb run --to')"
    expect "fish: a program behind --" true "$(complete_fish 'ebb run -- tru')"
else
    skip fish "fish is not installed"
fi
if command -v zsh >/dev/null; then
    expect "zsh: it parses" "fine" "$(zsh -n "$directory/_ebb" && echo fine)"
else
    skip zsh "zsh is not installed"
fi
echo "1..$count"
