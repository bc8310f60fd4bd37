# Builds a benchmark, optimised. The run scripts source it.

build_release() { # target
  require_packages "${build_packages[@]}"
  [ -f build-release/build.ninja ] || meson setup build-release --buildtype=release >build-release.log 2>&1 || {
    cat build-release.log
    exit 1
  }
  rm -f build-release.log
  ninja -C build-release build.ninja >/dev/null # New targets are known only after this.
  # Quiet; if it fails, it runs again and shows its output.
  meson compile -C build-release "$1" >/dev/null || meson compile -C build-release "$1"
}
