# syntax=docker/dockerfile:1.7
# One image for the bot and for the generation service; compose.yaml runs it twice.
#   docker build -t ghostwriter .                               CPU
#   docker build -t ghostwriter --build-arg COMPUTE=cuda .      NVIDIA GPU
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS build
ARG COMPUTE=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements.txt requirements.lock ./
# PyPI's torch is the CUDA build; the CPU build has an index of its own and is a tenth of the size.
RUN if [ "$COMPUTE" = cpu ]; then index=https://download.pytorch.org/whl/cpu; \
    else index=https://pypi.org/simple; fi \
    && /opt/venv/bin/pip install --index-url "$index" --extra-index-url https://pypi.org/simple \
       "$(grep '^torch==' requirements.txt)" -c requirements.lock \
    && /opt/venv/bin/pip install -r requirements.txt -c requirements.lock

FROM python:${PYTHON}-slim-bookworm
# MuseScore General (MIT licence) sounds better than the SoundFont inside pretty_midi.
# Debian drops old package versions from its archive, so a pinned one would soon not install.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends musescore-general-soundfont-small \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home ghostwriter \
    && install -d -o ghostwriter -g ghostwriter /data
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY --chown=root:root bot ./bot
COPY --chown=root:root models ./models
COPY --chown=root:root training ./training
COPY --chown=root:root migrations ./migrations
COPY --chown=root:root LICENSE README.md pyproject.toml ./
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/data \
    SOUNDFONT=/usr/share/sounds/sf3/MuseScore_General_Lite.sf3 \
    LOG_JSON=true
USER 10001
VOLUME /data
# The bot's own health page; compose.yaml overrides it for the service.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["python", "-m"]
CMD ["bot", "run"]
