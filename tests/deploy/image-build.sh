#!/bin/bash
# image-build.sh: builds docker/Dockerfile by `./run image` in the Debian of base.sh, with no engine and no registry, and
# saves the image as $ERLGATE_DEPLOY/image.tar.
set -euo pipefail
work=$ERLGATE_DEPLOY
mkdir -p "$work"
cat >"$work/storage.conf" <<Y
[storage]
driver = "vfs"
graphroot = "$work/store"
runroot = "$work/store-run"
Y
export CONTAINERS_STORAGE_CONF=$work/storage.conf BUILDAH_ISOLATION=chroot

buildah images -q localhost/base >/dev/null 2>&1 || podman import -q "$work/base.tar" localhost/base
ERLGATE_ENGINE=buildah ERLGATE_BASE=localhost/base ERLGATE_IMAGE=localhost/erlgate ./run image --pull-never
rm -f "$work/image.tar"
buildah push -q localhost/erlgate "docker-archive:$work/image.tar"
# What earlier builds left.
buildah rmi --prune >/dev/null
