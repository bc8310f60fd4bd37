# Sourced by the run scripts: builds a benchmark, optimised.

build_release() { # target
  require_packages "${build_packages[@]}"
  [ -f build-release/build.ninja ] || meson setup build-release --buildtype=release >build-release.log 2>&1 || {
    cat build-release.log
    exit 1
  }
  rm -f build-release.log
  ninja -C build-release build.ninja >/dev/null # Targets that are new are known only after this.
  # Quiet unless it fails: then once more, to be seen.
  meson compile -C build-release "$1" >/dev/null || meson compile -C build-release "$1"
}
