# To be sourced: `source scripts/environment.sh` makes the environment if needed (see scripts/setup)
# and activates it in this shell: Python, ROS 2, this package and its messages. Works in bash, in
# scripts with `set -euo pipefail` and in interactive shells.

DIFUSIONSEG_ROS_ROOT=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
export DIFUSIONSEG_ROS_ROOT

# If another environment of ROS wheels has set this variable, our Python would not find its
# libraries.
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE

"$DIFUSIONSEG_ROS_ROOT/scripts/setup" || return 1

difusionseg_ros_activate() {
  local venv=$DIFUSIONSEG_ROS_ROOT/.venv prefix folder
  if [[ -f "$venv/local_setup.bash" ]]; then
    # shellcheck disable=SC1091
    source "$venv/local_setup.bash"
  fi
  # As install/local_setup.bash does; colcon's does not work in a path with spaces.
  for prefix in "$DIFUSIONSEG_ROS_ROOT"/install/{vision_msgs,difusionseg_ros}; do
    [[ -d "$prefix" ]] || continue
    export AMENT_PREFIX_PATH="$prefix${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}"
    export LD_LIBRARY_PATH="$prefix/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    export PATH="$prefix/bin:$PATH"
    for folder in "$prefix"/{lib,local/lib}/python3*/{site,dist}-packages; do
      if [[ -d "$folder" ]]; then export PYTHONPATH="$folder${PYTHONPATH:+:$PYTHONPATH}"; fi
    done
  done
  export PATH="$venv/bin:$PATH"
  # The working tree before its installed copy: an edited file takes effect without a build.
  export PYTHONPATH="$DIFUSIONSEG_ROS_ROOT${PYTHONPATH:+:$PYTHONPATH}"
}
difusionseg_ros_activate
unset -f difusionseg_ros_activate
