# One image for web, worker and GPU worker; the command decides which. Build: docker compose build
#   --target cpu    web, default worker, beat, migrate; trains `tiny` models too
#   --target cuda   the GPU worker
# TORCH_INDEX: an extra package index for torch. PyPI's Linux wheel of torch carries CUDA; with PyTorch's own CPU
# index here the cpu image loses several gigabytes (docs/deploy.md).
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/venv/bin:$PATH
WORKDIR /app

# --- dependencies: rebuilt only when these files change ----------------------------------------------
FROM base AS cpu-dependencies
ARG TORCH_INDEX=""
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN python -m venv /venv \
 && pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -c constraints.txt '.[web]'

FROM base AS cuda-dependencies
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN python -m venv /venv && pip install --no-cache-dir -c constraints.txt '.[web]'

# --- the program -------------------------------------------------------------------------------------
FROM base AS program
RUN useradd --create-home --uid 10001 pop && install -d -o pop -g pop /data
COPY --chown=root:root manage.py pyproject.toml README.md LICENSE ./
COPY --chown=root:root config config
COPY --chown=root:root annotation annotation
COPY --chown=root:root training training
COPY --chown=root:root frontend frontend
ENV POP_VAR_DIR=/data POP_STATIC_DIR=/app/static HF_HOME=/data/huggingface HOME=/home/pop

FROM program AS cpu
COPY --from=cpu-dependencies /venv /venv
RUN POP_VAR_DIR=/tmp/build python manage.py collectstatic --noinput -v0 && rm -rf /tmp/build
USER pop
VOLUME /data
EXPOSE 8000
CMD ["gunicorn", "config.wsgi", "--bind", "0.0.0.0:8000", "--workers", "4", "--threads", "4", "--no-control-socket"]

FROM program AS cuda
COPY --from=cuda-dependencies /venv /venv
RUN POP_VAR_DIR=/tmp/build python manage.py collectstatic --noinput -v0 && rm -rf /tmp/build
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER pop
VOLUME /data
CMD ["celery", "-A", "config", "worker", "-Q", "gpu", "-c", "1", "-l", "INFO"]
