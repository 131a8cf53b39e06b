# A server of runs on a CPU, see docs/docker.md:
#   docker build -t fieldsmith .
#   docker run -p 127.0.0.1:8000:8000 -v "$PWD/runs:/runs:ro" -e FIELDSMITH_SERVER_KEY fieldsmith /runs/first
FROM python:3.11-slim AS build
WORKDIR /source
RUN python -m venv /opt/fieldsmith
ENV PATH=/opt/fieldsmith/bin:$PATH
COPY constraints.txt ./
# PyPI's torch for Linux brings the libraries of CUDA, several GB; this index has it without.
RUN sed -n '/^torch==/p' constraints.txt > torch.txt \
    && pip install --no-cache-dir --no-deps --index-url https://download.pytorch.org/whl/cpu -r torch.txt
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY core core
COPY plugins plugins
RUN pip install --no-cache-dir --constraint constraints.txt '.[html,pdf,serve]'

FROM python:3.11-slim
COPY --from=build /opt/fieldsmith /opt/fieldsmith
ENV PATH=/opt/fieldsmith/bin:$PATH
RUN useradd --create-home --no-log-init --uid 10001 fieldsmith \
    && install -d -o fieldsmith /home/fieldsmith/.cache
USER 10001
WORKDIR /home/fieldsmith
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=2m \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["extract", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["/runs/first"]
