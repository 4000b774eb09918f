/* norun.c - a library without run. */
int
walk(void)
{
	return 0;
}
