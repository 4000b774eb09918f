<?php
// /hello, /bench/sleep?ms=N, /bench/upload

$body = "Hello, world!\n";
switch (explode('?', $_SERVER['REQUEST_URI'])[0]) {
case '/bench/upload':
	$input = fopen('php://input', 'r');
	for ($total = 0; ($piece = fread($input, 65536)) != ''; )
		$total += strlen($piece);
	$body = "$total\n";
	break;
case '/bench/sleep':
	usleep(1000 * (int)$_GET['ms']);
	break;
}
header('Content-Length: ' . strlen($body));
echo $body;
