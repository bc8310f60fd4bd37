# Checks that the packages needed for building are installed (Debian's names). The run scripts source it.

require_packages() {
  local missing=() package
  for package in "$@"; do
    case $package in
      g++ | meson | pkg-config | openssl) command -v "$package" >/dev/null && continue ;;
      ninja-build) command -v ninja >/dev/null && continue ;;
    esac
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if ! command -v apt-get >/dev/null; then
    echo "Not on Debian: Meson will look for Asio, llhttp and doctest, or fetch them." >&2
    return
  fi
  if [ "$(id -u)" -ne 0 ]; then
    echo "Some packages are missing. Run this, then try again:" >&2
    echo "  sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "Installing ${missing[*]} ..." >&2
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

build_packages=(g++ meson ninja-build pkg-config libasio-dev doctest-dev node-llhttp libssl-dev openssl libidn2-dev zlib1g-dev
  libbrotli-dev libzstd-dev nlohmann-json3-dev libpsl-dev)
