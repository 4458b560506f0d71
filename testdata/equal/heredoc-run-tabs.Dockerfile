FROM registry.test/base
RUN <<-EOF
	echo one
		echo two
	EOF
RUN cat <<-EOF > /x
	text
	EOF
