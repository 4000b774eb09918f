#!/bin/sh
# gitweb.cgi - gitweb (apt-get install gitweb) over this very repository.
#
# gitweb wants its configuration's path in the environment and its style sheet
# served, so here is what is usually a few lines of a server's configuration.
gitweb=/usr/share/gitweb

case $PATH_INFO in
/static/gitweb.css) type=text/css ;;
/static/gitweb.js) type=text/javascript ;;
/static/git-logo.png | /static/git-favicon.png) type=image/png ;;
*) type= ;;
esac
if [ -n "$type" ]; then
	printf 'Content-Type: %s\n\n' $type
	exec cat "$gitweb$PATH_INFO"
fi

if [ -x $gitweb/gitweb.cgi ] && git --git-dir=../../.git rev-parse HEAD >/dev/null 2>&1; then
	GITWEB_CONFIG=$PWD/gitweb.conf exec $gitweb/gitweb.cgi
fi
cat <<'END'
Content-Type: text/plain; charset=UTF-8

This shows the repository that modserver was built from, if it is one, and
its owner's, and gitweb is installed: apt-get install gitweb
END
