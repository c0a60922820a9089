# bash completion for ebb. What there is to complete is asked from `ebb --help` and
# `ebb COMMAND --help`, so it is never out of date; processes from the records they publish.

_ebb_commands() { "$1" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p'; }
_ebb_options() { "$1" "$2" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u; }
_ebb_processes() { find /dev/shm -maxdepth 1 -name 'ebb-*' 2>/dev/null | sed -n 's/.*ebb-\([0-9]*\)-.*/\1/p'; }

_ebb() {
    local word=${COMP_WORDS[COMP_CWORD]} i
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_ebb_commands "${COMP_WORDS[0]}") --help --version" -- "$word")
        return
    fi
    # Behind `--` there is a command line of its own.
    for ((i = 2; i < COMP_CWORD; i++)); do
        if [ "${COMP_WORDS[i]}" = -- ]; then
            if declare -F _command_offset >/dev/null; then
                _command_offset $((i + 1))
            else
                mapfile -t COMPREPLY < <(compgen -c -- "$word")
            fi
            return
        fi
    done
    case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W "$(_ebb_options "${COMP_WORDS[0]}" "${COMP_WORDS[1]}")" -- "$word") ;;
    *) mapfile -t COMPREPLY < <(
        compgen -W "$(_ebb_processes)" -- "$word"
        compgen -f -- "$word"
    ) ;;
    esac
}
complete -o filenames -F _ebb ebb
