#!/usr/bin/env bash
# All lints, one after the other; `N passed, N failed` is the last line. Serves as the git hook too:
#   ln -s ../../tests/lint/run_all.sh .git/hooks/pre-commit
# usage: run_all.sh [--tidy]   (--tidy: clang-tidy as well; needs a configured build/)
#        run_all.sh --fix      (only formats the sources in place)
set -uo pipefail
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.." || exit 1

tidy=""
fix=""
for option in "$@"; do
  case $option in
    --tidy) tidy=yes ;;
    --fix) fix=yes ;;
    *)
      echo "run_all.sh: unknown option: $option" >&2
      exit 2
      ;;
  esac
done

# C and C++ files that git tracks or would add.
mapfile -d '' -t listed < <(git ls-files -z -co --exclude-standard -- \
  {src,include,tests,examples}/{'*.cc','*.h','*.c','*.cpp'})
sources=()
for file in "${listed[@]}"; do
  [ -f "$file" ] && sources+=("$file")
done

if [ -n "$fix" ]; then
  [ ${#sources[@]} -eq 0 ] || exec clang-format -i "${sources[@]}"
  exit 0
fi

passed=0
failed=0

# Runs one check, shown only if it has something to say. A check that counts its own cases is believed.
check() {
  local name=$1 output status=0
  shift
  output=$("$@" 2>&1) || status=$?
  if [[ $output =~ (^|$'\n')([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    passed=$((passed + BASH_REMATCH[2]))
    failed=$((failed + BASH_REMATCH[3]))
    [ "$status" -ne 0 ] && [ "${BASH_REMATCH[3]}" -eq 0 ] && failed=$((failed + 1))
  elif [ "$status" -eq 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
  fi
  if [ "$status" -ne 0 ]; then
    printf -- '--- %s: failed\n%s\n' "$name" "$output"
  elif [[ $output == *warning* ]]; then
    printf -- '--- %s\n%s\n' "$name" "$output"
  fi
}

format_check() {
  [ ${#sources[@]} -eq 0 ] || clang-format --dry-run -Werror --ferror-limit=1 "${sources[@]}"
}

tidy_check() {
  [ -f build/compile_commands.json ] || {
    echo "no build/compile_commands.json: run ./dev build first"
    return 1
  }
  # The build is g++'s: its options that clang does not know are no finding.
  run-clang-tidy -quiet -p build -extra-arg=-Wno-unknown-warning-option \
    -extra-arg=-Wno-ignored-optimization-argument "$PWD/src/.*\.cc$" 2>&1 |
    grep -Ev '^[0-9]+ warnings|^clang-tidy|^Suppressed|^Use -(header|system)'
  return "${PIPESTATUS[0]}"
}

check selftest python3 tests/lint/selftest.py
check layers python3 tests/lint/check_layers.py
check unsafe python3 tests/lint/check_unsafe.py
check headers python3 tests/lint/check_headers.py
check docs python3 tests/lint/check_docs.py
check format format_check
[ -n "$tidy" ] && check tidy tidy_check

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
