# Sourced, not run: `source scripts/environment.sh` makes the environment where needed (see
# scripts/setup) and activates it in this shell: Python, ROS 2, this package and its messages.
# Works in bash, in scripts with `set -euo pipefail` and in interactive shells.

DIFUSIONSEG_ROS_ROOT=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
export DIFUSIONSEG_ROS_ROOT

# Left behind by the Python of another environment of ROS wheels, this would keep ours from finding
# its libraries.
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE

"$DIFUSIONSEG_ROS_ROOT/scripts/setup" || return 1

difusionseg_ros_activate() {
  local nounset=${-//[^u]/} prefix
  set +u # colcon's scripts read unset variables
  for prefix in "$DIFUSIONSEG_ROS_ROOT/.venv" "$DIFUSIONSEG_ROS_ROOT/install"; do
    # shellcheck disable=SC1091
    if [[ -f "$prefix/local_setup.bash" ]]; then source "$prefix/local_setup.bash"; fi
  done
  if [[ -n "$nounset" ]]; then set -u; fi
  export PATH="$DIFUSIONSEG_ROS_ROOT/.venv/bin:$PATH"
  # The working tree before its installed copy: an edited file takes effect without a build.
  export PYTHONPATH="$DIFUSIONSEG_ROS_ROOT${PYTHONPATH:+:$PYTHONPATH}"
}
difusionseg_ros_activate
unset -f difusionseg_ros_activate
