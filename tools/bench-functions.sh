# What the comparisons with other libraries share. Source it from the root of the repository.

# Prints the comment at the top of the script that was called, as far as it is about its use, and ends with an error.
usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
    exit 2
}

# Checks that this is a number of rounds.
check_rounds() { # rounds
    [[ "$1" =~ ^[1-9][0-9]*$ ]] || usage
}

# Installs packages from PyPI into a folder of their own, $BEVY_MADDPG_PEERS_DIR/NAME or target/peers/NAME, unless they are there, and
# sets `python` to the interpreter there.
install_peer() { # name, module that must be there, packages
    local folder="${BEVY_MADDPG_PEERS_DIR:-target/peers}/$1" module="$2"
    shift 2
    python="$folder/bin/python"
    if ! "$python" -c "import $module" 2> /dev/null; then
        echo "installing $* into $folder"
        python3 -m venv "$folder"
        "$folder/bin/pip" install --quiet "$@"
    fi
}

# Runs one of our benchmarks and prints its median time in ms. Criterion prints `time: [low median high]`, each with its unit.
median_ms() { # file of the benchmark, name, seconds
    cargo bench --quiet --profile dev --bench "$1" -- --warm-up-time 0.5 --measurement-time "$3" "$2" 2> /dev/null |
        awk '/time:/ { unit = $(NF - 2); value = $(NF - 3); print unit == "ms" ? value : value / 1000 }'
}

# The same for its median rate per second. Criterion prints `thrpt: [low median high]`, each with its unit.
median_rate() { # file of the benchmark, name, seconds
    cargo bench --quiet --profile dev --bench "$1" -- --warm-up-time 0.5 --measurement-time "$3" "$2" 2> /dev/null |
        awk '/thrpt:/ { unit = $(NF - 2); value = $(NF - 3)
            print value * (unit ~ /^M/ ? 1e6 : unit ~ /^K/ ? 1e3 : 1) }'
}

# The median of the numbers in a column of the standard input.
median() { # column, the first by default
    awk -v column="${1:-1}" '{ print $column }' | sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}
