# Names for the scripts; each can be called by itself.
.PHONY: demo test check interop build clean

demo:
	scripts/demo.sh

test:
	scripts/test.sh

check:
	scripts/check.sh

interop:
	scripts/interop.sh

build:
	scripts/setup.sh
	scripts/build.sh

clean:
	rm -rf build out
